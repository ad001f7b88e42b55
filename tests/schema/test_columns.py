"""Schema: offsets of the stacked space, what a model is offered, and the way through JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from shortlist.schema import Column, Kind, Schema, Side, Target, TargetKind
from shortlist.schema.columns import slices, stacked


def column(name: str, kind: Kind = Kind.FIELD, size: int = 0) -> Column:
    return Column(name=name, side=Side(name.partition(".")[0]), kind=kind, size=size)


COLUMNS = stacked(
    [
        column("user.id", size=5),
        column("user.age", Kind.NUMBER),
        column("context.hour", size=25),
        column("item.id", size=7),
        column("item.genres", Kind.BAG, size=4),
    ]
)
CLASSES = Target(name="shelf", kind=TargetKind.MULTICLASS, classes=("a", "b"))
SECONDS = Target(name="seconds", kind=TargetKind.REGRESSION, mean=90.0, deviation=40.0)
SCHEMA = Schema(
    columns=COLUMNS, targets=(Target(name="liked"), CLASSES, SECONDS), id_types={"user": "int", "item": "text"}
)


def test_columns_lie_one_after_another() -> None:
    assert [(c.name, c.offset) for c in COLUMNS] == [
        ("user.id", 0),
        ("user.age", 0),
        ("context.hour", 5),
        ("item.id", 30),
        ("item.genres", 37),
    ]
    assert SCHEMA.rows == 41


def test_inputs_hold_the_chosen_sides_in_the_order_given() -> None:
    inputs = SCHEMA.inputs(Side.ITEM, Side.USER)

    assert [c.name for c in inputs.fields] == ["item.id", "user.id"]
    assert [c.name for c in inputs.numbers] == ["user.age"]
    assert [c.name for c in inputs.bags] == ["item.genres"]
    assert inputs.field("user.id") == 1
    assert inputs.targets == (Target(name="liked"), CLASSES, SECONDS)
    with pytest.raises(KeyError, match=r"context\.hour"):
        inputs.field("context.hour")


@pytest.mark.parametrize(
    ("schema", "length", "expected"),
    [
        (SCHEMA, 3, 3),
        (SCHEMA, 0, 0),
        (replace(SCHEMA, has_users=False), 3, 0),
        (replace(SCHEMA, has_time=False), 3, 3),
        (replace(SCHEMA, columns=COLUMNS[:3]), 3, 0),
    ],
)
def test_a_history_needs_users_and_items_and_has_an_order_by_time(schema: Schema, length: int, expected: int) -> None:
    inputs = schema.inputs(Side.USER, history_length=length)

    assert inputs.history_length == expected
    assert (inputs.history is not None) == bool(expected)
    assert inputs.history is None or inputs.history.name == "item.id"
    assert inputs.history_in_order == schema.has_time


def test_past_events_are_told_of_on_request_and_with_a_history_alone() -> None:
    schema = replace(SCHEMA, columns=stacked([*COLUMNS, column("past.type", size=3)]))

    assert [c.name for c in schema.inputs(*Side, history_length=2).past] == ["past.type"]
    assert [c.name for c in schema.inputs(*Side, history_length=2).fields] == ["user.id", "item.id", "context.hour"]
    assert schema.inputs(Side.USER, history_length=2).past == ()
    assert schema.inputs(*Side).past == ()


def test_outputs_of_targets_stand_side_by_side() -> None:
    assert slices(SCHEMA.targets) == (slice(0, 1), slice(1, 3), slice(3, 4))
    assert slices(()) == ()


def test_a_regressions_outputs_are_standardised() -> None:
    assert SECONDS.output(170.0) == 2
    assert SECONDS.value(2.0) == 170
    assert SECONDS.value(SECONDS.output(np.array([0.0, 1.0, np.nan]))) == pytest.approx([0, 1, np.nan], nan_ok=True)


def test_a_schema_survives_json() -> None:
    again = Schema.from_json(json.loads(json.dumps(SCHEMA.to_json())))

    assert again == SCHEMA
    assert again.fingerprint() == SCHEMA.fingerprint()
    assert again.columns[0].kind is Kind.FIELD


def test_another_schema_has_another_fingerprint() -> None:
    assert replace(SCHEMA, targets=()).fingerprint() != SCHEMA.fingerprint()
    assert replace(SCHEMA, columns=stacked(reversed(COLUMNS))).fingerprint() != SCHEMA.fingerprint()


def test_a_column_is_found_by_name() -> None:
    assert SCHEMA.column("item.id").size == 7
    with pytest.raises(KeyError):
        SCHEMA.column("item.price")
