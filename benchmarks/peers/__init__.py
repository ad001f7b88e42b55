"""The peers' workers: each runs in the environment of the requirements beside it and imports nothing of ours."""
