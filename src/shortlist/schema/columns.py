"""Column, Schema and Inputs: what prepared data consists of, and what a model is offered of it.

Every categorical value has one row of one stacked space of rows. A column occupies `size` rows from `offset` on; its
first row is out of vocabulary. Prepared ids are rows of that space, so a model needs no look-up but its gather.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from itertools import accumulate
from typing import Any

from shortlist.core.files import fingerprint


class Side(StrEnum):
    """Whose feature it is."""

    USER = "user"
    ITEM = "item"
    CONTEXT = "context"
    PAST = "past"
    """What is known of the events of a history beside their items: their type, their age. Never of the row itself."""


class TargetKind(StrEnum):
    """What a target's values are."""

    BINARY = "binary"
    """0, 1, or a probability between."""
    REGRESSION = "regression"
    """Any number."""
    MULTICLASS = "multiclass"
    """One class of several; prepared as its number."""


class Kind(StrEnum):
    """What a prepared column holds."""

    FIELD = "field"
    """One row of the stacked space (categorical, hashed, bucketised, a part of a time)."""
    NUMBER = "number"
    """One float32."""
    BAG = "bag"
    """Any number of rows of the stacked space (multi-hot)."""


class Split(IntEnum):
    """Value of the `split` column of prepared events."""

    TRAIN = 0
    VALID = 1
    TEST = 2


ROW_SIDES = (Side.USER, Side.CONTEXT, Side.ITEM)
"""Whose features a row holds, in the order in which they stand side by side."""

USER_ID = "user.id"
ITEM_ID = "item.id"
PAST_TYPE = "past.type"
PAST_AGE = "past.age"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One prepared column, named `side.name`."""

    name: str
    side: Side
    kind: Kind
    size: int = 0
    """Rows of the stacked space, the OOV row included; 0 for a number."""
    offset: int = 0
    """First row of the column, its OOV row; 0 for a number."""
    hotness: int = 0
    """Most values in one row; for a bag only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a ranker predicts of a row."""

    name: str
    kind: TargetKind = TargetKind.BINARY
    classes: tuple[str, ...] = ()
    """Of a multi-class target the values that its classes stand for, by their numbers."""
    mean: float = 0.0
    """Of a regression target's training values."""
    deviation: float = 1.0
    """Their standard deviation: the unit in which a model gives them, whatever theirs is."""

    @property
    def outputs(self) -> int:
        """How many numbers a model gives for it: a logit, a standardised value, or a logit for each class."""
        return max(len(self.classes), 1)

    def value(self, output: Any) -> Any:
        """Of a regression target the value that outputs of a model (arrays, tensors) stand for."""
        return output * self.deviation + self.mean

    def output(self, value: Any) -> Any:
        """Of a regression target the output that a model should give for values (arrays, tensors)."""
        return (value - self.mean) / self.deviation


ANY_EVENT = Target(name="event")
"""Stands for the target of a log without targets, where every event is relevant."""


def slices(targets: Sequence[Target]) -> tuple[slice, ...]:
    """Which of a model's outputs are each target's."""
    ends = accumulate(target.outputs for target in targets)
    return tuple(slice(end - target.outputs, end) for end, target in zip(ends, targets, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The columns that a model gets, in the order in which a batch holds them."""

    fields: tuple[Column, ...] = ()
    numbers: tuple[Column, ...] = ()
    bags: tuple[Column, ...] = ()
    history: Column | None = None
    """The item id column whose rows a history holds; None when the model sees no history."""
    history_length: int = 0
    """Most events of a history."""
    history_in_order: bool = True
    """False in a log without times, whose histories are sets: of a row all else that its user has."""
    past: tuple[Column, ...] = ()
    """What a history tells of its events beside their items; none when the model sees no history."""
    targets: tuple[Target, ...] = ()

    def field(self, name: str) -> int:
        """Position of the field called `name` in `ids_BF`; KeyError if it is not among them."""
        for place, column in enumerate(self.fields):
            if column.name == name:
                return place
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """Everything that later stages know about the prepared tables."""

    columns: tuple[Column, ...]
    targets: tuple[Target, ...] = ()
    """The first one defines what is relevant. Empty: every event is."""
    has_users: bool = True
    has_items: bool = True
    has_time: bool = True
    time_unit: float = 1.0
    """How many units of the log's timestamp, where it is a number, a second has: 1000 for milliseconds."""
    weighted: bool = False
    id_types: Mapping[str, str]
    """`user` and `item` -> `int` or `text`: the type that ids are looked up as."""

    def side(self, side: Side) -> tuple[Column, ...]:
        """The columns of one side, in their order."""
        return tuple(column for column in self.columns if column.side == side)

    def inputs(self, *sides: Side, history_length: int = 0) -> Inputs:
        """What a model of these sides is offered; columns stand side by side in the order given.

        With Side.PAST it is told of the history's events more than their items.
        """
        chosen = [column for side in sides if side != Side.PAST for column in self.side(side)]
        item_id = next((c for c in self.columns if c.name == ITEM_ID), None)
        history = item_id if history_length and self.has_users else None
        return Inputs(
            fields=_of_kind(chosen, Kind.FIELD),
            numbers=_of_kind(chosen, Kind.NUMBER),
            bags=_of_kind(chosen, Kind.BAG),
            history=history,
            history_length=history_length if history else 0,
            history_in_order=self.has_time,
            past=self.side(Side.PAST) if history and Side.PAST in sides else (),
            targets=self.targets,
        )

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def rows(self) -> int:
        """Size of the stacked space."""
        return sum(column.size for column in self.columns)

    def fingerprint(self) -> str:
        """A short hash of all of it."""
        return fingerprint(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Schema:
        """From what `to_json` gave."""
        columns = tuple(Column(**{**c, "side": Side(c["side"]), "kind": Kind(c["kind"])}) for c in values["columns"])
        targets = tuple(
            Target(**{**t, "kind": TargetKind(t["kind"]), "classes": tuple(t["classes"])}) for t in values["targets"]
        )
        return cls(**{**values, "columns": columns, "targets": targets})


def _of_kind(columns: Iterable[Column], kind: Kind) -> tuple[Column, ...]:
    return tuple(column for column in columns if column.kind == kind)


def stacked(columns: Iterable[Column]) -> tuple[Column, ...]:
    """The same columns with offsets that lay their rows one after another."""
    placed: list[Column] = []
    offset = 0
    for column in columns:
        placed.append(Column(**{**asdict(column), "offset": offset if column.size else 0}))
        offset += column.size
    return tuple(placed)
