"""What is done to a list after the ranker: a stage for each rule, one file each."""
