"""Runs recorded with MLflow, which is imported only when there is something to record."""
