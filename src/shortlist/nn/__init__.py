"""Blocks on a single device, without I/O: batch, embedding, MLP, history encoders."""
