"""What every room needs and what knows nothing of recommenders: errors, settings, catalogues, files, progress."""
