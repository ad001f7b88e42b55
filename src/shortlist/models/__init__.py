"""The catalogue of models: found, not listed."""
