"""Benchmarks: `python -m benchmarks NAME [--json]`, each ours beside its peers in one interleaved run."""
