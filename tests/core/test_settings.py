"""Strict settings: every problem at once, each at its dotted path, with the setting that was probably meant."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from shortlist.core.errors import Problem
from shortlist.core.settings import Settings, read_settings


class Round(Settings):
    kind: Literal["round"] = "round"
    radius: int = Field(1, ge=1)
    """Half the width."""


class Square(Settings):
    kind: Literal["square"] = "square"
    width: int = 1


class Drawing(Settings):
    shapes: dict[str, Annotated[Round | Square, Field(discriminator="kind")]] = Field({})
    frame: Round | None = None
    scale: float | Literal["auto"] = "auto"
    colours: tuple[str, ...] = ()
    section: Square = Field(Square(), alias="part")


def problems(values: dict[str, Any], prefix: str = "") -> list[Problem]:
    settings, found = read_settings(Drawing, values, prefix)
    assert (settings is None) == bool(found)
    return found


def test_valid_values_give_settings_and_no_problem() -> None:
    settings, found = read_settings(Drawing, {"shapes": {"a": {"kind": "square", "width": 3}}, "scale": 2})

    assert found == []
    assert settings == Drawing(shapes={"a": Square(width=3)}, scale=2.0)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Round(), "radius", 2)  # noqa: B010


def test_the_doc_of_a_setting_is_the_text_beneath_it() -> None:
    assert Round.model_fields["radius"].description == "Half the width."


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"frme": {}}, Problem("frme", "no such setting. Did you mean `frame`?")),
        ({"frame": {"radios": 1}}, Problem("frame.radios", "no such setting. Did you mean `radius`?")),
        ({"part": {"widht": 1}}, Problem("part.widht", "no such setting. Did you mean `width`?")),
        (
            {"shapes": {"a": {"kind": "square", "wdth": 1}}},
            Problem("shapes.a.wdth", "no such setting. Did you mean `width`?"),
        ),
        (
            {"shapes": {"a": {"kind": "round", "radius": 0}}},
            Problem("shapes.a.radius", "Input should be greater than or equal to 1, found 0"),
        ),
        (
            {"shapes": {"a": {"kind": "sqare"}}},
            Problem("shapes.a", "no kind is called 'sqare'. Did you mean `square`?"),
        ),
        ({"shapes": {"a": {"width": 1}}}, Problem("shapes.a", "says no `kind`, one of round, square")),
        ({"colours": ["red", 3]}, Problem("colours.1", "Input should be a valid string, found 3")),
    ],
)
def test_a_problem_is_found_where_it_is(values: dict[str, Any], expected: Problem) -> None:
    assert problems(values) == [expected]


def test_a_value_that_fits_no_branch_is_one_problem() -> None:
    (found,) = problems({"scale": "big"})

    assert found.where == "scale"
    assert "valid number" in found.message
    assert "'auto'" in found.message


def test_all_problems_come_together_below_the_prefix() -> None:
    found = problems({"colors": [], "part": {"width": "wide"}, "frame": 3}, prefix="ranking.model")

    assert {problem.where for problem in found} == {
        "ranking.model.colors",
        "ranking.model.part.width",
        "ranking.model.frame",
    }


def test_a_required_setting_is_named() -> None:
    class Strict(Settings):
        path: str

    assert read_settings(Strict, {})[1] == [Problem("path", "is required and is not there")]
