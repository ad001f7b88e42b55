"""The click log as the product has it: a recipe, and its prepared folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.core.files import whole_file
from shortlist.data.prepared import Prepared
from shortlist.pipeline.api import prepare
from shortlist.recipe.sections import Recipe

_PARTS = ("train", "valid", "test")


def click_recipe(folder: Path, numbers: int, fields: int, **ranking: Any) -> Recipe:
    """A recipe of one target, 13 numbers and 26 categories, all of the event; `ranking` are that section's settings."""
    columns = {
        **{f"n{i}": {"kind": "numeric"} for i in range(numbers)},
        **{f"c{i}": {"kind": "categorical"} for i in range(fields)},
    }
    return Recipe.model_validate(
        {
            "name": "clicks",
            "data": {"interactions": str(folder / "clicks.parquet")},
            "schema": {"targets": {"clicked": "label"}},
            "features": {"context": columns},
            "split": {"kind": "column", "column": "part"},
            "ranking": {"negatives": {"sampled": 0}, "history": 0, **ranking},
            # Only how it trains is measured: checkpoints are written at the end of the epoch.
            "compute": {"threads": 1, "device": "cpu", "checkpoint_seconds": 1e9},
        }
    )


def write_parquet(folder: Path) -> Path:
    """The log's .npy files as one Parquet file, unless it is there."""
    path = folder / "clicks.parquet"
    if not path.is_file():
        with whole_file(path) as draft:
            pq.write_table(pa.concat_tables([_table(folder, part) for part in _PARTS]), draft)
    return path


def _table(folder: Path, part: str) -> pa.Table:
    numbers_nN, ids_nF, label_n = (np.load(folder / f"{part}_{what}.npy") for what in ("numbers", "ids", "label"))
    return pa.table(
        {
            **{f"n{i}": numbers_nN[:, i] for i in range(numbers_nN.shape[1])},
            **{f"c{i}": ids_nF[:, i] for i in range(ids_nF.shape[1])},
            "label": label_n,
            "part": np.full(len(label_n), part),
        }
    )


def prepared_clicks(folder: Path, recipe: Recipe) -> Prepared:
    """The recipe's prepared data, which is made when it is not there or no longer of this recipe."""
    write_parquet(folder)
    return prepare(recipe, folder / "run").prepared


def with_all_values(prepared: Prepared, cardinalities: tuple[int, ...]) -> Prepared:
    """The same data with tables for every value that a field may have, as the peers' have, not only those in train.

    A model lays its tables out by the columns' sizes, and prepared ids count from a column's offset, which stays.
    """
    sizes = {f"context.c{place}": 1 + size for place, size in enumerate(cardinalities)}
    columns = tuple(replace(column, size=sizes.get(column.name, column.size)) for column in prepared.schema.columns)
    return replace(prepared, schema=replace(prepared.schema, columns=columns))
