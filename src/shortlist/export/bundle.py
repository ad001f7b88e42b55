"""Writing a bundle: models to ONNX through the parity gate, tables, histories, features, settings and the manifest."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.bundle.manifest import write_manifest
from shortlist.bundle.read import FunnelSettings, write_table
from shortlist.core.files import write_json
from shortlist.core.version import __version__
from shortlist.data.prepared import Prepared
from shortlist.export.attributes import write_attributes
from shortlist.export.parity import export_ranker_checked, sampled_rows
from shortlist.funnel.rank_model import Catalogue, RankModel
from shortlist.models.base import RankingModel
from shortlist.recipe.sections import Recipe
from shortlist.schema import Schema, Split


def write_parts(folder: Path, prepared: Prepared, recipe: Recipe, ranking: RankingModel | None) -> dict[str, float]:
    """Write all but the sources, settings and manifest into `folder`; the parity gate's difference by model.

    Raises ParityError when the exported model disagrees with the trained one.
    """
    for name in ("users.arrow", "items.arrow", "schema.json"):
        shutil.copyfile(prepared.folder / name, folder / name)
    shutil.copytree(prepared.folder / "features", folder / "features")
    write_json(folder / "recipe.json", recipe.model_dump(mode="json", by_alias=True))
    _write_histories(prepared, folder / "histories.arrow")
    write_attributes(folder, prepared, recipe)
    if ranking is None:
        return {}
    into = folder / "ranking"
    into.mkdir()
    sample = sampled_rows(prepared, ranking.inputs, recipe.seed, with_item=True)
    difference = export_ranker_checked(ranking, sample, prepared.items, into)
    Catalogue(RankModel(into), prepared.items).save(into)
    return {"ranking": difference}


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
    write_table(path, batch)
