"""Losses: one a file, plain functions of a model's outputs."""
