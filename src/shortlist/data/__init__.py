"""Data: from tables to shards, and from shards to batches."""
