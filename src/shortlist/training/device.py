"""Where a model trains."""

from __future__ import annotations

import torch

from shortlist.core.errors import EnvironmentFault
from shortlist.core.threads import cpu_threads
from shortlist.recipe.sections import Compute


def choose_device(compute: Compute) -> torch.device:
    """The device a recipe asks for; EnvironmentFault if it wants a GPU that is not there."""
    available = torch.cuda.is_available()
    if compute.device == "cuda" and not available:
        raise EnvironmentFault(
            'compute.device = "cuda", but torch finds no GPU here. Use device = "auto", or run where there is one.'
        )
    return torch.device("cuda" if available and compute.device != "cpu" else "cpu")


def set_threads(compute: Compute) -> int:
    """Fix the number of torch threads; returns it."""
    threads = cpu_threads(compute.threads)
    torch.set_num_threads(threads)
    return threads


def batches_ahead(compute: Compute, device: torch.device) -> int:
    """How many batches a thread in the background makes ready.

    It hides the waiting for a GPU or for a shard that is fetched. Where the same cores compute the batch and what is
    done with it, it hides nothing and costs the changing between them.
    """
    if compute.prefetch is not None:
        return compute.prefetch
    return 2 if device.type == "cuda" or compute.shards else 0
