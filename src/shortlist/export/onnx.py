"""A model as an ONNX file whose inputs are called as the feeds of its rows are."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnx_ir
import torch
from torch import Tensor, nn

from shortlist.core.files import copy_with_holes
from shortlist.features.rows import BAG_PREFIX, FeatureRows
from shortlist.nn.batch import Batch, tensor
from shortlist.nn.mapped import mapped_file

OPSET = 20

_LARGE = 1024
"""Bytes from which on a weight stands in a file of its own; ONNX reads smaller ones to tell the shapes of values."""

Named = dict[str, Tensor]
Sizes = dict[int, Any]
"""Which axes of an input are free, and by what name."""

_ROWS = torch.export.Dim("rows", min=1, max=2**24)
_HISTORIES = torch.export.Dim("histories", min=1, max=2**24)


def export_onnx(model: nn.Module, function: Callable[[Batch], Tensor], example: FeatureRows, path: Path) -> None:
    """Write `function` of `model` to `path`; mapped tables go beside it, each under the name of its parameter.

    `example` gives the inputs' names and types; it needs at least two rows, for a size of 1 would be taken as fixed.
    The number of rows and the hotness of bags stay free.
    """
    feeds = example.feeds()
    sizes = {name: free_sizes(name, _ROWS) for name in feeds}
    write_onnx(model, lambda named: function(Batch.from_named(named)), feeds, sizes, path)


def free_sizes(name: str, rows: Any) -> Sizes:
    """Which sizes of an input are free: the `rows`, of histories their own number, of bags the hotness."""
    if name in {"history.ids", "history.length", "history.past"}:
        return {0: _HISTORIES}
    if name.startswith(BAG_PREFIX) and name.endswith(".values"):
        return {0: rows, 1: torch.export.Dim.DYNAMIC}
    return {0: rows}


class _Named(nn.Module):
    """A model's function over tensors in a fixed order of names, which is what ONNX knows."""

    def __init__(self, model: nn.Module, function: Callable[[Named], Tensor], names: list[str]) -> None:
        super().__init__()
        self.model = model
        self.function = function
        self.names = names

    def forward(self, *tensors: Tensor) -> Tensor:
        return self.function(dict(zip(self.names, tensors, strict=True)))


def write_onnx(
    model: nn.Module,
    function: Callable[[Named], Tensor],
    feeds: Mapping[str, npt.NDArray[Any]],
    sizes: Mapping[str, Sizes],
    path: Path,
    rewrite: Callable[[onnx_ir.Model], Mapping[Path, onnx_ir.Model]] | None = None,
) -> None:
    """Write a `function` of named tensors that `model` computes, after `rewrite` has changed its graph.

    What it has cut from the graph is written where it says.
    """
    model.eval()
    named = {name: tensor(array, "cpu") for name, array in feeds.items()}
    # The exporter reports its own deprecations and every node it folds; nothing there is for the user to act on.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = _Named(model, function, list(named))
        program = torch.onnx.export(
            wrapped,
            tuple(named.values()),
            input_names=list(named),
            output_names=["output"],
            dynamic_shapes=(tuple(sizes[name] for name in named),),
            dynamo=True,
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        has_tables = _copy_tables(program, wrapped, path)
        # Beside tables nothing large is left, and one file has it all.
        data = None if has_tables else f"{path.name}.data"
        onnx_ir.save(program.model, path, external_data=data, size_threshold_bytes=_LARGE)
    if rewrite is not None:
        # As they are read again, the graphs share the weights that are in files.
        written = onnx_ir.load(path)
        for place, graph in {**rewrite(written), path: written}.items():
            onnx_ir.save(graph, place)


def _copy_tables(program: torch.onnx.ONNXProgram, model: nn.Module, path: Path) -> bool:
    """Copy the files of mapped tables beside `path`, for the program to refer to them; whether there are any.

    Programs in one folder share a table that their models share. The copies are no links: some readers of ONNX refuse
    all files that have a second name elsewhere.
    """
    weights = program.model.graph.initializers
    # A module may be reached by two ways, and the program has either name.
    parameters = dict(model.named_parameters(remove_duplicate=False))
    files = {name: mapped_file(parameter) for name, parameter in parameters.items() if name in weights}
    for name, file in files.items():
        if file is None:
            continue
        copy = path.with_name(f"table-{file.parent.name}.f32")
        if not copy.exists():
            copy_with_holes(file, copy)
        weights[name].const_value = onnx_ir.ExternalTensor(
            copy.name,
            offset=0,
            length=copy.stat().st_size,
            dtype=onnx_ir.DataType.FLOAT,
            shape=onnx_ir.Shape(parameters[name].shape),
            name=name,
            base_dir=path.parent,
        )
    return any(file is not None for file in files.values())
