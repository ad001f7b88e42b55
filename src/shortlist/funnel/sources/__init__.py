"""Where candidates come from: one file for each kind of source, and the mixture of several."""
