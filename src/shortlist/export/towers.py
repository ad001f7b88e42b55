"""A retrieval model as a source: both towers through the parity gate, and the vectors of all items."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shortlist.core.seeding import stream
from shortlist.data.prepared import Prepared
from shortlist.export.parity import SAMPLE, export_checked, sampled_rows
from shortlist.funnel.session import Session
from shortlist.funnel.sources.folder import TOWERS, write_about
from shortlist.models.base import RetrievalModel
from shortlist.recipe.sections import Recipe


def export_towers(model: RetrievalModel, prepared: Prepared, recipe: Recipe, folder: Path) -> dict[str, float]:
    """Leave the model's source in `folder`; the parity gate's largest difference by tower.

    The vectors are what the exported candidate tower gives. Raises ParityError when it or the query tower disagrees
    with the trained one.
    """
    folder.mkdir()
    requests = sampled_rows(prepared, model.query_inputs, recipe.seed, with_item=False)
    catalogue = np.arange(len(prepared.items))
    items = prepared.items.take(stream(recipe.seed, "parity items").choice(catalogue, SAMPLE))
    differences = {
        "query": export_checked(model, model.query, requests, folder / "query.onnx"),
        "candidate": export_checked(model, model.candidate, items, folder / "candidate.onnx"),
    }
    vectors_ID = Session(folder / "candidate.onnx")(prepared.items.take(catalogue)).astype(np.float32)
    vectors_ID[0] = 0
    np.save(folder / "vectors.npy", vectors_ID, allow_pickle=False)
    write_about(folder, TOWERS, {"history": model.query_inputs.history_length})
    return differences
