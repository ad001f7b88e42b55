"""Nearest candidates by vector: arrays in, rows out."""
