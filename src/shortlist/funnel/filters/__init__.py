"""Filters: a small language of predicates over raw columns, such as `category = "coffee" and price < 20`."""
