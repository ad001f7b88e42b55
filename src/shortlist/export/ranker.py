"""A ranking model as ONNX files that compute once what depends on the request, or on the item, alone.

Legend: M rows of the ranker, U requests, I items.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor, nn

from shortlist.export.once.items import take_items_apart
from shortlist.export.once.rewrite import compute_once
from shortlist.export.onnx import Named, free_sizes, write_onnx
from shortlist.features.pairs import ITEM_PREFIX, REQUEST, Pairs
from shortlist.features.rows import FeatureRows
from shortlist.funnel.rank_model import ITEMS, MODEL
from shortlist.nn.batch import Batch, paired

_ROWS = torch.export.Dim("rows", min=1, max=2**24)
_REQUESTS = torch.export.Dim("requests", min=1, max=2**24)
_ITEMS = torch.export.Dim("items", min=1, max=2**24)
_ITEM = "item"
"""Input that says which item each row has, until the graph is taken apart."""


def export_ranker(model: nn.Module, example: Pairs[FeatureRows], folder: Path) -> None:
    """Write `model`, of whole rows, into `folder` for `RankModel`: a file for the items, and one for the rest.

    The model is not asked to know of it: the graph that it gives is rewritten and cut. Files are as `export_onnx`
    leaves them. `example` needs at least two rows and two requests.
    """
    feeds = {**example.feeds(), _ITEM: np.arange(len(example), dtype=np.int32)}
    sizes = {name: free_sizes(name.removeprefix(ITEM_PREFIX), _rows_of(name)) for name in feeds}

    def outputs_MO(named: Named) -> Tensor:
        request_M, item_M = named[REQUEST], named[_ITEM]
        of_requests = {name: tensor for name, tensor in named.items() if _rows_of(name) is _REQUESTS}
        of_items = {
            name.removeprefix(ITEM_PREFIX): tensor.index_select(0, item_M)
            for name, tensor in named.items()
            if _rows_of(name) is _ITEMS
        }
        # Of what has no columns a batch cannot see how many rows it has.
        batch = _batch(of_items, request_M)
        if of_requests:
            batch = paired(Batch.from_named(of_requests), batch, request_M)
        outputs: Tensor = model(batch)
        return outputs

    def rewrite(exported: ir.Model) -> dict[Path, ir.Model]:
        for shared in (REQUEST, _ITEM):
            compute_once(exported, shared)
        items = take_items_apart(exported, _ITEM, REQUEST, ITEM_PREFIX)
        return {} if items is None else {folder / ITEMS: items}

    write_onnx(model, outputs_MO, feeds, sizes, folder / MODEL, rewrite)


def _batch(of_items: Named, request_M: Tensor) -> Batch:
    """The items, of which a log without items has no columns at all."""
    rows = request_M.shape[0]
    if of_items:
        return Batch.from_named(of_items, rows)
    return Batch(request_M.new_zeros((rows, 0)), request_M.new_zeros((rows, 0), dtype=torch.float32))


def _rows_of(name: str) -> torch.export.Dim:
    """What the rows of an input are."""
    if name in (REQUEST, _ITEM):
        return _ROWS
    return _ITEMS if name.startswith(ITEM_PREFIX) else _REQUESTS
