"""Training: the fit loop, optimisers, checkpoints."""
