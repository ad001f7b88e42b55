"""The folder of a source: `source.json`, which says what it is, and arrays and models beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from shortlist.core.files import read_json, write_json
from shortlist.core.registry import Catalogue
from shortlist.core.threads import cpu_threads
from shortlist.data.prepared import Prepared
from shortlist.features.rows import FeatureTable, Ints, Longs
from shortlist.funnel.columns import Bools, Requests, Source
from shortlist.funnel.session import Session
from shortlist.funnel.sources.fitted import FittedSource
from shortlist.funnel.sources.mixture import Mixture
from shortlist.funnel.sources.towers import TowerSource
from shortlist.index.base import Index
from shortlist.index.exact import ExactIndex
from shortlist.index.folder import build_index, open_index, save_index
from shortlist.recipe.index import Index as IndexSettings
from shortlist.recipe.sections import Recipe, sources_of
from shortlist.schema import Schema, Side

SCORERS = Catalogue("shortlist.funnel.scorers", "scorer")
TOWERS = "towers"
"""The kind of a source that has a query tower; others have the name of their scorer."""
_ABOUT = "source.json"
_INDEX = "index"
"""The index's folder in the source's."""


@dataclass(frozen=True)
class Surroundings:
    """What a source is told beside its own folder."""

    schema: Schema
    eligible_I: Bools
    """Item rows that may be recommended."""
    id_of_item: Ints
    """For each item row its row of the item id column."""
    threads: int = 1
    items: FeatureTable | None = None
    """Of a bundle with items that it was not exported with: all items' features, and"""
    changed_A: Ints = field(default_factory=lambda: np.zeros(0, np.int32))
    """the rows of those that were added or altered."""

    @classmethod
    def of(cls, prepared: Prepared, recipe: Recipe) -> Surroundings:
        """Those of a run, before there is a bundle."""
        return cls(
            schema=prepared.schema,
            eligible_I=eligible_items(recipe, prepared.item_train_count),
            id_of_item=prepared.id_of_item,
            threads=cpu_threads(recipe.compute.threads),
        )


def eligible_items(recipe: Recipe, train_count_I: Longs) -> Bools:
    """Item rows that may be recommended: all of the item table, or without one all that occur in training."""
    eligible = np.ones(len(train_count_I), bool) if recipe.data.items else train_count_I > 0
    eligible[0] = False
    return eligible


def write_about(folder: Path, kind: str, settings: Mapping[str, Any], **facts: Any) -> None:
    """Say what is in `folder`; `settings` and further facts are JSON values."""
    write_json(folder / _ABOUT, {"kind": kind, "settings": dict(settings), **facts})


def write_fitted(
    folder: Path, scorer: str, arrays: Mapping[str, npt.NDArray[Any]], settings: Mapping[str, Any], items: int
) -> None:
    """Leave the arrays of a model that was fitted on so many item rows in `folder`, a file each."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
    write_about(folder, scorer, settings, items=items)


def open_source(folder: Path, name: str, around: Surroundings) -> Source:
    """The source in `folder`, large parts memory-mapped."""
    about = read_json(folder / _ABOUT)
    kind, settings = about["kind"], about["settings"]
    if kind != TOWERS:
        arrays = {path.stem: _mapped(path) for path in folder.glob("*.npy")}
        items = about["items"]
        scorer = SCORERS[kind](arrays, settings, around.eligible_I[:items])
        return FittedSource(name, scorer, items)
    return _open_towers(folder, name, settings, around)


def _open_towers(folder: Path, name: str, settings: Mapping[str, Any], around: Surroundings) -> TowerSource:
    """With the vectors of items that came after them, which the candidate tower gives."""
    query = Session(folder / "query.onnx", around.threads)
    vectors_ID = _mapped(folder / "vectors.npy")
    eligible_I = around.eligible_I[: len(vectors_ID)]
    index: Index = ExactIndex(vectors_ID, eligible_I)
    if (folder / _INDEX).is_dir():
        index = open_index(folder / _INDEX, vectors_ID, eligible_I, around.threads)
    source = TowerSource(
        name=name,
        query=query,
        index=index,
        vectors_ID=vectors_ID,
        eligible_I=around.eligible_I,
        id_of_item=around.id_of_item,
        history=settings["history"],
        past=around.schema.side(Side.PAST) if query.takes("history.past") else (),
    )
    if around.items is None or not len(around.changed_A):
        return source
    candidate = Session(folder / "candidate.onnx", around.threads)
    return source.with_items(around.changed_A, candidate(around.items.take(around.changed_A)).astype(np.float32))


def add_index(
    folder: Path, settings: IndexSettings, around: Surroundings, requests: Sequence[Requests], seed: int
) -> dict[str, Any] | None:
    """Build the index of the source in `folder` into it; facts of `build_index`, kept in `source.json` too.

    requests: batches such as the source will meet, by which the index is measured; without any, items stand for them.
    None for a source that has no vectors.
    """
    source = open_source(folder, "", around)
    if not isinstance(source, TowerSource):
        return None
    facts = build_index(
        source.vectors_ID,
        around.eligible_I,
        settings,
        np.concatenate([source.vectors_ID[:0], *(source.encode(batch) for batch in requests)]),
        folder / _INDEX,
        around.threads,
        seed=seed,
    )
    write_json(folder / _ABOUT, {**read_json(folder / _ABOUT), "index": facts})
    return facts


def save_items(source: TowerSource, folder: Path) -> dict[str, Any] | None:
    """Leave what the source knows of its items in `folder`, a copy of its own; what is then true of its index.

    Of an index that was built, how it was chosen and measured is still said. None for a source that had none.
    """
    np.save(folder / "vectors.npy", source.vectors_ID, allow_pickle=False)
    about = read_json(folder / _ABOUT)
    if not (folder / _INDEX).is_dir():
        return None
    facts: dict[str, Any] = {**about["index"], **save_index(source.index, folder / _INDEX)}
    write_json(folder / _ABOUT, {**about, "index": facts})
    return facts


def open_sources(recipe: Recipe, place: Callable[[str], Path], around: Surroundings) -> tuple[Source, ...]:
    """The recipe's sources, that of [retrieval] first; `place` says where a folder of `sources_of` the recipe is."""
    if recipe.retrieval is None:
        return ()
    names = [recipe.retrieval.model.name, *recipe.sources]
    return tuple(open_source(place(stage), name, around) for stage, name in zip(sources_of(recipe), names, strict=True))


def mixed(recipe: Recipe, sources: Sequence[Source]) -> Source | None:
    """All of the recipe's sources as one; None where there are none."""
    if len(sources) < 2:
        return sources[0] if sources else None
    shares = [source.quota / recipe.funnel.candidates for source in recipe.sources.values()]
    return Mixture(sources[0], sources[1:], shares)


def _mapped(path: Path) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
