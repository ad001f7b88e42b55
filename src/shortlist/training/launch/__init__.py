"""Training in several processes: on this machine, under somebody's torchrun, or on a Spark cluster."""
