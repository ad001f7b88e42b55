"""Opening a bundle: everything checked against the manifest, large parts memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from shortlist.bundle.manifest import check_manifest
from shortlist.core.errors import BundleError
from shortlist.core.files import read_json
from shortlist.features.encoder import Encoder, vocabulary_path
from shortlist.features.past import Events
from shortlist.features.rows import FeatureTable, Ints, Longs, RaggedBag
from shortlist.features.vocabulary import Vocabulary
from shortlist.funnel.sources.folder import eligible_items
from shortlist.recipe.sections import Recipe
from shortlist.schema import Schema, Side
from shortlist.schema.columns import ITEM_ID, USER_ID

ATTRIBUTES = "attributes.arrow"
"""Of a bundle whose items have columns to filter by."""


@dataclass(frozen=True)
class FunnelSettings:
    """What `funnel.json` says: how answers are made, once the recipe's choices have been settled."""

    candidates: int
    exclude_seen: bool
    retrieval_weight: float
    ranking_history: int
    calibration: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By binary target how its logit becomes a probability, as JSON values; by its sigmoid where it is not here."""


@dataclass(frozen=True)
class Histories:
    """What happened so far."""

    events: Events
    """Every user's events, for each row of the user table."""
    split: npt.NDArray[np.int8]
    """Of each event the split it belongs to; evaluation leaves out what it asks for."""


@dataclass(frozen=True)
class Bundle:
    """A folder with all that serves."""

    path: Path
    manifest: dict[str, Any]
    recipe: Recipe
    schema: Schema
    settings: FunnelSettings
    users: FeatureTable
    items: FeatureTable
    user_keys: pa.Array
    item_keys: pa.Array
    titles: pa.Array
    positive_count: Longs
    train_count: Longs
    histories: Histories
    encoders: dict[Side, Encoder]
    user_vocabulary: Vocabulary
    item_vocabulary: Vocabulary
    attributes: pa.RecordBatch | None = None
    """Raw columns of the items, as `funnel.filters.columns` stores them; None in a bundle that has none."""
    changed_A: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    """Rows of items that were added or altered since: the folder does not have them, or not as they are."""

    @classmethod
    def open(cls, path: str | Path, verify: bool = True) -> Bundle:
        """Open the bundle at `path`; `verify` compares every file's SHA-256 with the manifest. Raises BundleError."""
        path = Path(path)
        manifest = check_manifest(path, verify)
        users, items = _table(path / "users.arrow"), _table(path / "items.arrow")
        return cls(
            path=path,
            manifest=manifest,
            recipe=Recipe.model_validate(read_json(path / "recipe.json")),
            schema=Schema.from_json(read_json(path / "schema.json")),
            settings=FunnelSettings(**read_json(path / "funnel.json")),
            users=FeatureTable.from_arrow(users),
            items=FeatureTable.from_arrow(items),
            user_keys=users.column("key"),
            item_keys=items.column("key"),
            titles=items.column("title"),
            positive_count=items.column("positive_count").to_numpy(),
            train_count=items.column("train_count").to_numpy(),
            histories=_histories(path / "histories.arrow"),
            encoders={side: Encoder.load(path / "features", side) for side in Side},
            user_vocabulary=Vocabulary.load(vocabulary_path(path / "features", USER_ID)),
            item_vocabulary=Vocabulary.load(vocabulary_path(path / "features", ITEM_ID)),
            attributes=_table(path / ATTRIBUTES) if (path / ATTRIBUTES).is_file() else None,
        )

    @property
    def has_ranking(self) -> bool:
        """Whether there is a ranking model."""
        return (self.path / "ranking").is_dir()

    @property
    def eligible_I(self) -> npt.NDArray[np.bool_]:
        """Item rows that may be recommended."""
        return eligible_items(self.recipe, self.train_count)

    def item_rows(self, ids: pa.Array) -> Ints:
        """Item rows of ids as the tables have them; 0 where unknown."""
        return self.item_vocabulary.lookup(ids)


def _histories(path: Path) -> Histories:
    batch = _table(path)
    values = {name: batch.column(name).values.to_numpy() for name in batch.schema.names}
    items = RaggedBag(values["items"], batch.column("items").offsets.to_numpy())
    return Histories(Events(items, values["times"], values.get("types")), values["split"])


def write_table(path: Path, batch: pa.RecordBatch) -> None:
    """Write one of a bundle's tables, to be memory-mapped."""
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _table(path: Path) -> pa.RecordBatch:
    try:
        return pa.ipc.open_file(pa.memory_map(str(path), "r")).get_batch(0)
    except (pa.ArrowInvalid, OSError, IndexError) as error:
        raise BundleError(f"cannot read {path}: {error}. Export the bundle again with: shortlist run") from error
