"""Writing a bundle: models to ONNX through the parity gate, tables, histories, features, settings and the manifest."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor, nn

from shortlist.bundle.manifest import write_manifest
from shortlist.bundle.read import FunnelSettings
from shortlist.core.files import write_json
from shortlist.core.seeding import stream
from shortlist.core.version import __version__
from shortlist.data.loader import Gather
from shortlist.data.prepared import Prepared
from shortlist.export.onnx import export_onnx
from shortlist.export.parity import check_parity
from shortlist.features.rows import FeatureRows
from shortlist.funnel.session import Session
from shortlist.models.base import RankingModel, RetrievalModel
from shortlist.nn.batch import Batch
from shortlist.recipe.sections import Recipe
from shortlist.schema import Inputs, Schema, Split

SAMPLE = 1000
"""Rows compared at the parity gate."""


def write_parts(
    folder: Path,
    prepared: Prepared,
    recipe: Recipe,
    retrieval: RetrievalModel | None,
    ranking: RankingModel | None,
) -> dict[str, float]:
    """Write everything but settings and manifest into `folder`; the parity gate's largest difference by model.

    Raises ParityError when an exported model disagrees with the trained one.
    """
    for name in ("users.arrow", "items.arrow", "schema.json"):
        shutil.copyfile(prepared.folder / name, folder / name)
    shutil.copytree(prepared.folder / "features", folder / "features")
    write_json(folder / "recipe.json", recipe.model_dump(mode="json", by_alias=True))
    _write_histories(prepared, folder / "histories.arrow")
    differences: dict[str, float] = {}
    if retrieval is not None:
        differences |= _export_retrieval(retrieval, prepared, recipe.seed, folder / "retrieval")
    if ranking is not None:
        (folder / "ranking").mkdir()
        sample = _sampled_rows(prepared, ranking.inputs, recipe.seed, with_item=True)
        differences["ranking"] = _export(ranking, ranking, sample, folder / "ranking" / "model.onnx")
    return differences


def seal(folder: Path, recipe: Recipe, settings: FunnelSettings, schema: Schema, facts: Mapping[str, Any]) -> None:
    """Write the funnel's settings and the manifest of everything in `folder`; from then on any change is noticed.

    `facts` stand in the manifest beside the bundle's own.
    """
    write_json(folder / "funnel.json", asdict(settings))
    own: dict[str, Any] = {
        "shortlist": __version__,
        "name": recipe.name,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seed": recipe.seed,
        "schema": schema.fingerprint(),
    }
    write_manifest(folder, {**own, **facts})


def _write_histories(prepared: Prepared, path: Path) -> None:
    """Each user's events: item rows, types where the log has them, times, and the split of each."""
    columns = {"items": "item", "times": "time", "split": "split", **({"types": "event"} if prepared.has_types else {})}
    offsets_n, values = prepared.columns_of_users(list(columns.values()), *Split)
    offsets = pa.array(offsets_n)
    batch = pa.record_batch(
        {name: pa.LargeListArray.from_arrays(offsets, pa.array(values[of])) for name, of in columns.items()}
    )
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _export_retrieval(model: RetrievalModel, prepared: Prepared, seed: int, folder: Path) -> dict[str, float]:
    """Both towers, and the vectors of all items as the exported candidate tower gives them."""
    folder.mkdir()
    requests = _sampled_rows(prepared, model.query_inputs, seed, with_item=False)
    catalogue = np.arange(len(prepared.items))
    items = prepared.items.take(stream(seed, "parity items").choice(catalogue, SAMPLE))
    differences = {
        "query": _export(model, model.query, requests, folder / "query.onnx"),
        "candidate": _export(model, model.candidate, items, folder / "candidate.onnx"),
    }
    vectors_ID = Session(folder / "candidate.onnx")(prepared.items.take(catalogue)).astype(np.float32)
    vectors_ID[0] = 0
    np.save(folder / "vectors.npy", vectors_ID, allow_pickle=False)
    return differences


def _export(model: nn.Module, function: Callable[[Batch], Tensor], sample: FeatureRows, path: Path) -> float:
    """Export `function` of `model` to `path` and compare both on the sample."""
    model.eval()
    with torch.inference_mode():
        trained = function(Batch.of(sample)).numpy()
    export_onnx(model, function, sample, path)
    return check_parity(path.parent.name + "/" + path.stem, trained, Session(path)(sample))


def _sampled_rows(prepared: Prepared, inputs: Inputs, seed: int, with_item: bool) -> FeatureRows:
    """Rows of one shard, drawn with replacement: what a model may meet, whatever the split."""
    shard = prepared.shards[0]
    rows = stream(seed, "parity").integers(0, len(shard), SAMPLE)
    gather = Gather(prepared, inputs.history_length, past=bool(inputs.past))
    return gather.row(shard, rows, shard.item[rows]) if with_item else gather.query(shard, rows)
