"""What a recipe says of the rows that are held out."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from shortlist.core.errors import Problem
from shortlist.core.settings import Settings


class Split(Settings):
    """How rows are held out. Models learn from train, choose on validation, and are judged once on test."""

    kind: Literal["time", "leave_one_out", "column", "random"] = "time"
    """time: the last rows of all. leave_one_out: the last two of each user. column: as the table says, or its files
    do where they are one for each part."""
    valid: float = Field(0.1, ge=0, lt=1)
    """Share of rows for validation, for `time` and `random`; for `column` share of train where no row is for it. 0, for
    every kind: validation is learned from as well, and retrieval trains all its epochs, as many as were best before."""
    test: float = Field(0.1, gt=0, lt=1)
    """Share of rows for the test, for `time` and `random`."""
    column: str = "split"
    """Column with `train`, `valid` and `test`, for `column`."""
    requests: Literal["user", "event"] = "user"
    """When lists are asked for. user: once, at a user's first held-out event, and all of the user's are the truth.
    event: before each held-out event that others came before, and it alone is the truth, as for the next click of a
    session: the default where schema.session_id names sessions."""

    @model_validator(mode="after")
    def _leaves_train(self) -> Split:
        if self.valid + self.test >= 0.9:
            raise ValueError(
                f"valid + test = {self.valid + self.test:g} leaves too little to train on; keep it below 0.9"
            )
        return self

    def of_sessions(self) -> Split:
        """That of a log of sessions: most of them are wholly in one part, and at their first event nothing is known."""
        return self if "requests" in self.model_fields_set else self.model_copy(update={"requests": "event"})

    def of_parts(self) -> Split:
        """That of a log with a table for each part: they say what is held out."""
        if "kind" in self.model_fields_set and self.kind != "column":
            raise ValueError(
                f"kind = {self.kind!r} has no say where data.interactions names a table for each part: leave kind "
                "out, or name one table"
            )
        return self.model_copy(update={"kind": "column"})


def validation_problems(split: Split) -> list[Problem]:
    """Nothing held out for validation, where a ranker chooses its epoch on that."""
    if split.valid > 0:
        return []
    return [
        Problem("split.valid", "0 leaves a ranker nothing to choose its epoch on: raise it, or leave [ranking] out")
    ]
