"""Tables parted among the processes that train together, by TorchRec."""
