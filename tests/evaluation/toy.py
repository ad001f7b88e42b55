"""A shop small enough to work out by hand: prepared data from a list of events, and a bundle whose models are tables.

The query tower looks a user's vector up, the ranker looks up the logit of a user and an item: every answer is known
beforehand, and everything else is the real thing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnx
import pyarrow as pa
from onnx import TensorProto, helper, numpy_helper

from shortlist.bundle.manifest import write_manifest
from shortlist.bundle.read import FunnelSettings
from shortlist.bundle.recommender import Recommender
from shortlist.core.files import write_json
from shortlist.data.event_shard import EventShard
from shortlist.data.prepared import Prepared
from shortlist.features.encoder import Encoder, stack, vocabulary_path
from shortlist.features.entity_id import EntityId
from shortlist.features.numeric import Numeric
from shortlist.features.rows import FeatureTable
from shortlist.features.vocabulary import Vocabulary
from shortlist.funnel.sources.folder import TOWERS, write_about
from shortlist.recipe import Recipe
from shortlist.schema import Schema, Side, Split, Target

Matrix = npt.NDArray[np.float32]
LIKED = (Target(name="liked"),)


class Event(NamedTuple):
    """One row of the log, entity rows as they are in the tables."""

    user: int
    item: int
    time: int
    split: Split = Split.TRAIN
    target: float = 1.0
    others: tuple[float, ...] = ()
    """Values of further targets."""
    group: int | None = None


def recipe(**sections: Any) -> Recipe:
    """A recipe over the toy tables; both stages unless the sections say otherwise."""
    values = {
        "name": "toy",
        "data": {"interactions": "events.parquet", "items": "items.parquet"},
        "schema": {
            "user_id": "user_id",
            "item_id": "item_id",
            "timestamp": "time",
            "targets": {"liked": "target > 0"},
        },
        "funnel": {"candidates": 4, "retrieval_weight": 0.0},
        "evaluation": {"metrics": ["recall@2", "ndcg@10"]},
        **sections,
    }
    return Recipe.model_validate(values)


def prepared(
    folder: Path,
    events: Sequence[Event],
    users: int,
    items: int,
    *,
    shards: int = 1,
    titles: Sequence[str] = (),
    targets: tuple[Target, ...] = LIKED,
) -> Prepared:
    """Prepared data of `users` users and `items` items from the events, whole users a shard.

    The context is one number, the time of the event: so that a test sees whose context a request has.
    """
    ordered = sorted(events, key=lambda event: (event.user, event.time))
    user_shards = np.array_split(np.arange(users + 1), shards)
    parts = [[event for event in ordered if event.user in part] for part in user_shards]
    encoders = _encoders(users, items)
    train = [event for event in ordered if event.split == Split.TRAIN]
    count = np.bincount([event.item for event in train], minlength=items + 1)
    positive = np.bincount([event.item for event in train if event.target > 0], minlength=items + 1)
    names = [None, *titles, *([None] * (items - len(titles)))]
    return Prepared(
        folder=folder,
        schema=Schema(
            columns=tuple(column for encoder in encoders.values() for column in encoder.columns),
            targets=targets,
            id_types={"user": "text", "item": "text"},
        ),
        manifest={
            "fingerprint": "toy",
            "seconds": 0.5,
            "rows": {s.name.lower(): sum(event.split == s for event in ordered) for s in Split},
            "users": users,
            "items": items,
            "split": {"kind": "time", "valid_from": 100, "test_from": 200},
            "audit": {
                "rows_read": len(ordered) + 1,
                "rows_kept": len(ordered),
                "findings": [{"what": "null <ids>", "count": 1, "done": "left out", "examples": ["row 7"]}],
            },
        },
        users=encoders[Side.USER].apply(_entity_rows(users)),
        items=encoders[Side.ITEM].apply(_entity_rows(items)),
        user_keys=pa.array([None, *(f"u{i}" for i in range(1, users + 1))]),
        item_keys=pa.array([None, *(f"i{i}" for i in range(1, items + 1))]),
        item_titles=pa.array(names, pa.string()),
        item_train_count=count.astype(np.int64),
        item_positive_count=positive.astype(np.int64),
        shards=tuple(_shard(f"events-{i:05d}", part) for i, part in enumerate(parts)),
    )


def recommender(
    folder: Path,
    data: Prepared,
    of: Recipe,
    *,
    query_UD: Matrix | None = None,
    vectors_ID: Matrix | None = None,
    logit_UI: Matrix | None = None,
    weight: float = 0.0,
    calibration: Mapping[str, Any] | None = None,
) -> Recommender:
    """A bundle over `data` whose towers and ranker are these tables; a table left out leaves the model out."""
    users, items = len(data.users), len(data.items)
    encoders = _encoders(users - 1, items - 1)
    has_towers = query_UD is not None and vectors_ID is not None
    left_out: dict[str, Any] = {"retrieval": None, "sources": {}} if not has_towers else {}
    of = of.model_copy(update={**left_out, **({"ranking": None} if logit_UI is None else {})})
    folder.mkdir()
    (folder / "features").mkdir()
    for encoder in encoders.values():
        encoder.save(folder / "features")
    for side, keys in (("user", data.user_keys), ("item", data.item_keys)):
        vocabulary = Vocabulary.from_rows(keys[1:], np.arange(1, len(keys)))
        vocabulary.save(vocabulary_path(folder / "features", f"{side}.id"))
    write_json(folder / "recipe.json", of.model_dump(mode="json", by_alias=True))
    write_json(folder / "schema.json", data.schema.to_json())
    counts = {"positive_count": data.item_positive_count, "train_count": data.item_train_count}
    _write(folder / "users.arrow", {**data.users.to_arrow(), "key": data.user_keys})
    tables = {**data.items.to_arrow(), "key": data.item_keys, "title": data.item_titles}
    _write(folder / "items.arrow", {**tables, **{name: pa.array(count) for name, count in counts.items()}})
    _write_histories(folder / "histories.arrow", data)
    if query_UD is not None and vectors_ID is not None:
        (folder / "retrieval").mkdir()
        _lookup_model(folder / "retrieval" / "query.onnx", query_UD)
        np.save(folder / "retrieval" / "vectors.npy", vectors_ID)
        write_about(folder / "retrieval", TOWERS, {"history": 0})
    if logit_UI is not None:
        (folder / "ranking").mkdir()
        _pair_model(folder / "ranking", logit_UI, first_item=users)
    settings = FunnelSettings(of.funnel.candidates, of.funnel.exclude_seen, weight, 0, calibration or {})
    write_json(folder / "funnel.json", asdict(settings))
    write_manifest(folder, {"shortlist": "0", "name": of.name, "created": "2026-01-02T03:04:05+00:00"})
    return Recommender.load(folder)


def _encoders(users: int, items: int) -> dict[Side, Encoder]:
    return stack(
        {
            Side.USER: [EntityId.of(Side.USER, users + 1)],
            Side.CONTEXT: [Numeric("context.time", "time", "none")],
            Side.ITEM: [EntityId.of(Side.ITEM, items + 1)],
            Side.PAST: [],
        }
    )


def _entity_rows(count: int) -> pa.RecordBatch:
    return pa.record_batch({"#row": pa.array(range(count + 1), pa.int32())})


def _shard(name: str, events: Sequence[Event]) -> EventShard:
    time = np.array([event.time for event in events], np.int64)
    groups = [event.group for event in events if event.group is not None]
    return EventShard(
        name=name,
        user=np.array([event.user for event in events], np.int32),
        item=np.array([event.item for event in events], np.int32),
        time=time,
        split=np.array([event.split for event in events], np.int8),
        targets_nT=np.array([[event.target, *event.others] for event in events] or np.zeros((0, 1)), np.float32),
        weight=None,
        context=FeatureTable(np.zeros((len(events), 0), np.int32), time[:, None].astype(np.float32)),
        group=np.array(groups, np.int64) if groups else None,
    )


def _write(path: Path, columns: dict[str, Any]) -> None:
    batch = pa.record_batch(columns)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _write_histories(path: Path, data: Prepared) -> None:
    known = data.events_of_users(*Split)
    offsets = pa.array(known.items.offsets_n)
    split = np.zeros(len(known.times), np.int8)
    columns = {"items": known.items.values, "times": known.times, "split": split}
    _write(path, {name: pa.LargeListArray.from_arrays(offsets, pa.array(of)) for name, of in columns.items()})


def _lookup_model(path: Path, query_UD: Matrix) -> None:
    """The row of `query_UD` that the first id names."""
    nodes = [
        helper.make_node("Gather", ["ids", "first"], ["user"], axis=1),
        helper.make_node("Gather", ["table", "user"], ["vectors"], axis=0),
    ]
    _save(path, nodes, {"table": query_UD, "first": np.array(0)}, ["B", query_UD.shape[1]], "vectors")


def _pair_model(folder: Path, logit_UI: Matrix, first_item: int) -> None:
    """`logit_UI` at a request's user and an item, by their ids; items stand after the users in the stacked space.

    With a third dimension there are several outputs.
    """
    outputs = logit_UI.shape[2] if logit_UI.ndim == 3 else 1
    nodes = [
        helper.make_node("Gather", ["ids", "request"], ["user"], axis=0),
        helper.make_node("Sub", ["item.part.0", "first_item"], ["item"]),
        helper.make_node("Mul", ["user", "width"], ["start"]),
        helper.make_node("Add", ["start", "item"], ["place"]),
        helper.make_node("Gather", ["flat", "place"], ["gathered"], axis=0),
        helper.make_node("Reshape", ["gathered", "shape"], ["logits"]),
    ]
    tables = {
        "flat": logit_UI.reshape(-1, outputs).astype(np.float32),
        "shape": np.array([-1, outputs]),
        "width": np.array(logit_UI.shape[1], np.int32),
        "first_item": np.array(first_item, np.int32),
    }
    given = {"ids": ["B", "F"], "item.part.0": ["M", "F"], "request": ["M"]}
    _save(folder / "model.onnx", nodes, tables, ["M", outputs], "logits", given)
    _save(folder / "items.onnx", [helper.make_node("Identity", ["ids"], ["part.0"])], {}, ["B", "F"], "part.0")


def _save(
    path: Path,
    nodes: list[Any],
    tables: dict[str, npt.NDArray[Any]],
    shape: list[str | int],
    output: str,
    inputs: Mapping[str, list[str]] = MappingProxyType({"ids": ["B", "F"]}),
) -> None:
    """All inputs are whole numbers, and so are outputs that are made of nothing else."""
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info(name, TensorProto.INT32, sizes) for name, sizes in inputs.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT if tables else TensorProto.INT32, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tables.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, path)
