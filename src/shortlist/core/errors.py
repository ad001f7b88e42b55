"""The exception tree.

    ShortlistError
    ├── UserError                 something the user can put right; shown as text, never as a traceback
    │   ├── RecipeError           the recipe, a --set or a command line is wrong            exit code 2
    │   ├── DataError             a table is missing, broken or says something impossible   exit code 3
    │   ├── BundleError           a bundle is incomplete, altered or of another version     exit code 4
    │   ├── RequestError          a request to a recommender cannot be answered as it is    exit code 5
    │   ├── EnvironmentFault      no disk, no memory, an optional package is absent         exit code 6
    │   └── GateError             a challenger is not better than the champion              exit code 8
    └── ParityError               the exported model disagrees with the trained one         exit code 7

A message says what was expected, what was found, where, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class ShortlistError(Exception):
    """Root of every error that Shortlist raises on purpose."""

    exit_code = 1


class UserError(ShortlistError):
    """A mistake the user can put right; the command line shows its text alone."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a recipe: `where` is the dotted setting, `line` its line in the file (0: not in a file)."""

    where: str
    message: str
    line: int = 0


class RecipeError(UserError):
    """All problems of a recipe together, so that one round of corrections is enough."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], file: str = "recipe") -> None:
        self.problems = tuple(problems)
        self.file = file
        count = len(self.problems)
        lines = [f"{file} has {count} error{'' if count == 1 else 's'}"]
        places = [f"{file}:{p.line}" if p.line else file for p in self.problems]
        width = max((len(place) for place in places), default=0)
        for place, problem in zip(places, self.problems, strict=True):
            lines.append(f"  {place:<{width}}  {problem.where}: {problem.message}")
        super().__init__("\n".join(lines))


class DataError(UserError):
    """A table is missing, broken, or holds something that cannot be."""

    exit_code = 3


class BundleError(UserError):
    """A bundle is incomplete, altered, or of a format this version does not read."""

    exit_code = 4


class RequestError(UserError):
    """A request that cannot be answered as it stands.

    `where` names the part of it that is wrong, such as `filter`; `found` and `expected` are what was there and what
    could have been. None where the message alone says it.
    """

    exit_code = 5

    def __init__(self, message: str, where: str | None = None, found: Any = None, expected: str | None = None) -> None:
        self.where = where
        self.found = found
        self.expected = expected
        super().__init__(message)


class EnvironmentFault(UserError):
    """The machine lacks something: disk, memory, an optional package, a free port."""

    exit_code = 6


class GateError(UserError):
    """A challenger that is not better than the champion, and so does not take its place."""

    exit_code = 8


class ParityError(ShortlistError):
    """The exported bundle and the trained model disagree: nothing is written that would serve other answers."""

    exit_code = 7
