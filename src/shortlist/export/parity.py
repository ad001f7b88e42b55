"""The parity gate: the exported model must answer as the trained one does, or nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from shortlist.core.errors import ParityError
from shortlist.core.seeding import stream
from shortlist.data.loader import Gather
from shortlist.data.prepared import Prepared
from shortlist.export.onnx import export_onnx
from shortlist.export.ranker import export_ranker
from shortlist.features.pairs import Pairs
from shortlist.features.rows import FeatureRows, FeatureTable, Floats
from shortlist.funnel.rank_model import MODEL, RankModel
from shortlist.funnel.session import Session
from shortlist.nn.batch import Batch
from shortlist.schema import Inputs

SAMPLE = 1000
"""Rows compared."""

ITEMS_EACH = 7
"""Of a request, where rows are compared that share requests."""

TOLERANCE = 1e-4
"""Largest allowed |exported - trained|, relative to max(1, |trained|): float32 sums in another order differ by less."""


def check_parity(name: str, trained: npt.NDArray[np.float32], exported: npt.NDArray[np.float32]) -> float:
    """The largest relative difference; ParityError if it is above TOLERANCE, or an answer is no number."""
    if trained.shape != exported.shape:
        raise ParityError(f"{name}: the trained model gives shape {trained.shape}, the exported one {exported.shape}")
    difference = np.abs(exported - trained) / np.maximum(1.0, np.abs(trained))
    largest = float(difference.max(initial=0.0))
    if not largest <= TOLERANCE:
        row = int(np.argmax(np.where(np.isnan(difference), np.inf, difference).reshape(len(trained), -1).max(1)))
        raise ParityError(
            f"{name}: the exported model disagrees with the trained one on {len(trained):,} sampled rows. Expected a "
            f"difference of at most {TOLERANCE:g}, found {largest:g} at row {row}. Nothing was exported. This is a "
            "fault of the export, not of the data: please report it, with the recipe."
        )
    return largest


def export_checked(model: nn.Module, function: Callable[[Batch], Tensor], sample: FeatureRows, path: Path) -> float:
    """Export `function` of `model` to `path`; the largest relative difference between both on the sample."""
    export_onnx(model, function, sample, path)
    return _difference(model, function, sample, path, Session(path)(sample))


def export_ranker_checked(model: nn.Module, sample: FeatureRows, items: FeatureTable, folder: Path) -> float:
    """Export a ranking model into `folder`; the largest relative difference between both on whole rows.

    `items` says which columns are the items'. The sample's rows are shared among requests too, for a file that mixed
    requests up would agree on requests of their own.
    """
    apart = Pairs.of_rows(sample, items)
    export_ranker(model, apart, folder)
    exported = RankModel(folder)
    # `part` leaves out the requests that no row has: there must be fewer of them than rows.
    shared = Pairs(apart.requests, apart.items, apart.request_M // ITEMS_EACH).part(0, len(apart))
    return max(_difference(model, model, rows.rows(), folder / MODEL, exported(rows)) for rows in (apart, shared))


def _difference(
    model: nn.Module, function: Callable[[Batch], Tensor], sample: FeatureRows, path: Path, exported: Floats
) -> float:
    model.eval()
    with torch.inference_mode():
        trained = function(Batch.of(sample)).numpy()
    return check_parity(path.parent.name + "/" + path.stem, trained, exported)


def sampled_rows(prepared: Prepared, inputs: Inputs, seed: int, with_item: bool) -> FeatureRows:
    """Rows of one shard, drawn with replacement: what a model may meet, whatever the split."""
    shard = prepared.shards[0]
    rows = stream(seed, "parity").integers(0, len(shard), SAMPLE)
    gather = Gather(prepared, inputs.history_length, past=bool(inputs.past))
    return gather.row(shard, rows, shard.item[rows]) if with_item else gather.query(shard, rows)
