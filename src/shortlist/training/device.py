"""Where a model trains."""

from __future__ import annotations

import os

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
    if not available or compute.device == "cpu":
        return torch.device("cpu")
    here, processes = _on_this_host()
    if processes == 1:
        return torch.device("cuda")
    found = torch.cuda.device_count()
    if here >= found:
        raise EnvironmentFault(
            f"process {here + 1} of this host has no GPU of its own: {found} found here. Set compute.processes to at "
            'most as many on each host, or compute.device = "cpu".'
        )
    return torch.device("cuda", here)


def set_threads(compute: Compute) -> int:
    """Fix the number of torch threads; returns it. Processes that train together on one host share its CPUs."""
    _, processes = _on_this_host()
    threads = compute.threads or max(cpu_threads(None) // processes, 1)
    torch.set_num_threads(threads)
    return threads


def _on_this_host() -> tuple[int, int]:
    """This process's number among those of its host that train together, and how many they are: as torchrun says it."""
    return int(os.environ.get("LOCAL_RANK", "0")), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def batches_ahead(compute: Compute, device: torch.device) -> int:
    """How many batches a thread in the background makes ready.

    It hides the waiting for a GPU or for a shard that is fetched. Where the same cores compute the batch and what is
    done with it, it hides nothing and costs the changing between them.
    """
    if compute.prefetch is not None:
        return compute.prefetch
    return 2 if device.type == "cuda" or compute.shards else 0
