"""Metrics, one a file: arrays in, numbers out; the catalogue finds them by file name."""
