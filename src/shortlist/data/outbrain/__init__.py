"""Outbrain's Click Prediction (Kaggle 2016): its files made up, and turned into the table of recipes/outbrain.toml."""
