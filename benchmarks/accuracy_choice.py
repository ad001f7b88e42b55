"""What of a comparison is asked for on the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from shortlist.core.errors import UserError
from shortlist.core.suggest import did_you_mean

NONE = ("none",)


def choose(option: str, asked: Sequence[str] | None, known: Iterable[str]) -> list[str]:
    """The names asked for, in their own order; all of them when none are named. UserError for an unknown one."""
    names = list(known)
    if asked is None:
        return names
    if tuple(asked) == NONE and option == "peers":
        return []
    by_small = {name.lower(): name for name in names}
    for name in asked:
        if name.lower() not in by_small:
            raise UserError(f"--{option}: this comparison has no `{name}`.{did_you_mean(name, names)}")
    return [name for name in names if name.lower() in {given.lower() for given in asked}]


def refuse(asked: object, option: str, why: str) -> None:
    """UserError when something is asked for that a comparison does not have."""
    if asked is not None:
        raise UserError(f"{option} has no say here: {why}. Leave it out.")
