"""The bundle: a folder with everything that serves, checked by its manifest, and the recommender that answers."""
