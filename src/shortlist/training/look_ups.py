"""The time of embedding look-ups apart from the rest of the forward pass, for a profile."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from shortlist.core.profile import is_recording, span
from shortlist.nn.embedding import StackedEmbedding

_LOOK_UPS = ("forward", "pooled", "weighted")


@contextlib.contextmanager
def spans_of_look_ups(model: nn.Module) -> Iterator[None]:
    """Count what the model's tables are asked under `embed`; where nothing is recorded the model is left alone."""
    tables = [module for module in model.modules() if isinstance(module, StackedEmbedding) and is_recording()]
    for table in tables:
        for name in _LOOK_UPS:
            setattr(table, name, _in_span(getattr(table, name)))
    try:
        yield
    finally:
        for table in tables:
            for name in _LOOK_UPS:
                delattr(table, name)


def wait_if_recording(device: torch.device) -> None:
    """Let a GPU finish what it was given, so that a span holds its work and not only its giving."""
    if device.type == "cuda" and is_recording():
        torch.cuda.synchronize(device)


def _in_span(look_up: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*args: Any, **settings: Any) -> Any:
        with span("embed"):
            vectors = look_up(*args, **settings)
            wait_if_recording(vectors.device)
        return vectors

    return counted
