"""Pickles of lists and whole numbers, as some data sets are published, read without unpickling: nothing in them runs.

A pickle is a program for a small stack machine (the standard library's `pickletools` names its operations). Those that
build lists and numbers are followed here, and any other, such as one that looks a function up, is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from shortlist.core.errors import DataError

_NUMBERS = {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1"}
_KEEPS = {"BINPUT", "LONG_BINPUT", "PUT"}
_RECALLS = {"BINGET", "LONG_BINGET", "GET"}
_SAYS_NOTHING = {"PROTO", "FRAME", "STOP"}
_MARK = object()


def lists_of(data: bytes) -> Any:
    """The lists, tuples and numbers that the pickle holds. DataError where it is none, or holds anything else."""
    machine = _Machine()
    try:
        for operation, argument, _ in pickletools.genops(data):
            machine.do(operation.name, argument)
        (found,) = machine.stack
    except (ValueError, IndexError, KeyError, AttributeError) as error:
        raise DataError(f"expected a pickle of lists and whole numbers; {error}") from error
    return found


class _Machine:
    """What has been built so far."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.kept: dict[int, Any] = {}
        self._does: dict[str, Callable[[], None]] = {
            "MARK": lambda: self.stack.append(_MARK),
            "EMPTY_LIST": lambda: self.stack.append([]),
            "LIST": lambda: self.stack.append(self._since_mark()),
            "TUPLE": lambda: self.stack.append(tuple(self._since_mark())),
            "TUPLE2": lambda: self.stack.append(tuple([self.stack.pop(), self.stack.pop()][::-1])),
            "APPEND": lambda: self._extend([self.stack.pop()]),
            "APPENDS": lambda: self._extend(self._since_mark()),
        }

    def do(self, name: str, argument: Any) -> None:
        """One operation; ValueError for one that builds neither lists nor numbers."""
        if name in _NUMBERS:
            self.stack.append(argument)
        elif name in _KEEPS:
            self.kept[argument] = self.stack[-1]
        elif name == "MEMOIZE":
            self.kept[len(self.kept)] = self.stack[-1]
        elif name in _RECALLS:
            self.stack.append(self.kept[argument])
        elif name in self._does:
            self._does[name]()
        elif name not in _SAYS_NOTHING:
            raise ValueError(f"it has the operation {name}")

    def _since_mark(self) -> list[Any]:
        place = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def _extend(self, values: list[Any]) -> None:
        self.stack[-1].extend(values)
