"""A model as an ONNX file whose inputs are called as `FeatureRows.feeds` calls them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shortlist.features.rows import BAG_PREFIX, FeatureRows
from shortlist.nn.batch import Batch, tensor

OPSET = 20


_ROWS = torch.export.Dim("rows", min=1, max=2**24)
_HISTORIES = torch.export.Dim("histories", min=1, max=2**24)


def _free_sizes(name: str) -> dict[int, Any]:
    """Which sizes of an input are free: the rows, of histories their own number, of bags the hotness."""
    if name in {"history.ids", "history.length"}:
        return {0: _HISTORIES}
    if name.startswith(BAG_PREFIX) and name.endswith(".values"):
        return {0: _ROWS, 1: torch.export.Dim.DYNAMIC}
    return {0: _ROWS}


class _Named(nn.Module):
    """A model's function over tensors in a fixed order of names, which is what ONNX knows."""

    def __init__(self, model: nn.Module, function: Callable[[Batch], Tensor], names: list[str]) -> None:
        super().__init__()
        self.model = model
        self.function = function
        self.names = names

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.function(Batch.from_named(dict(zip(self.names, tensors, strict=True))))


def export_onnx(model: nn.Module, function: Callable[[Batch], Tensor], example: FeatureRows, path: Path) -> None:
    """Write `function` of `model` to `path`.

    `example` gives the inputs' names and types; it needs at least two rows, for a size of 1 would be taken as fixed.
    The number of rows and the hotness of bags stay free.
    """
    model.eval()
    named = {name: tensor(array, "cpu") for name, array in example.feeds().items()}
    shapes = [_free_sizes(name) for name in named]
    # The exporter reports its own deprecations and every node it folds; nothing there is for the user to act on.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Named(model, function, list(named)),
            tuple(named.values()),
            str(path),
            input_names=list(named),
            output_names=["output"],
            dynamic_shapes=(tuple(shapes),),
            dynamo=True,
            opset_version=OPSET,
            external_data=True,
            verbose=False,
        )
