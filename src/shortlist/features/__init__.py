"""Features: fitted from statistics, applied by one function to record batches, here and on the server."""
