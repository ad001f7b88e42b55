"""Catalogues: found, not listed. A new model, metric or loss is one new file and nothing else.

Each module `foo_bar.py` of a catalogue's package holds one object for it: the function `foo_bar` or the class `FooBar`,
whose letters may be written large or small as its paper has them (`deepfm.py` holds `DeepFM`).
Modules whose name starts with `_` hold what the others share.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from shortlist.core.errors import UserError
from shortlist.core.suggest import did_you_mean


class Catalogue:
    """The objects of one package by name, imported when first asked for."""

    def __init__(self, package: str, what: str) -> None:
        self.package = package
        self.what = what
        self._added: dict[str, Any] = {}

    @cached_property
    def _modules(self) -> tuple[str, ...]:
        path = importlib.import_module(self.package).__path__
        return tuple(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))

    def names(self) -> tuple[str, ...]:
        """All names, sorted; imports nothing but the package."""
        return tuple(sorted({*self._modules, *self._added}))

    def add(self, name: str, thing: Any) -> None:
        """Put an object of another package into the catalogue, for instance a team's own model."""
        self._added[name] = thing

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._added or name in self._modules

    def __getitem__(self, name: str) -> Any:
        """The object called `name`; an unknown name is a UserError with the nearest known one."""
        if name in self._added:
            return self._added[name]
        if name not in self._modules:
            raise UserError(f"no {self.what} is called {name!r}.{did_you_mean(name, self.names())}")
        module = importlib.import_module(f"{self.package}.{name}")
        letters = name.replace("_", "")
        for candidate, thing in vars(module).items():
            if candidate.replace("_", "").lower() == letters and getattr(thing, "__module__", None) == module.__name__:
                return thing
        raise TypeError(f"{module.__name__} must define the function {name}, or a class with these letters")
