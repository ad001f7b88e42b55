"""How worker processes learn what to answer from: one small file in a folder that they share.

Whoever wants another bundle raises the generation in `order.json`. Each worker reads it several times a second, loads
what it says beside what it has, and says in a file of its own which generation it answers from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from shortlist.bundle.manifest import check_manifest
from shortlist.core.errors import BundleError, RequestError
from shortlist.core.files import fingerprint, read_json, write_json
from shortlist.core.lock import in_turn


@dataclass(frozen=True, slots=True)
class Placed:
    """A bundle, and where it lies."""

    path: str
    version: str
    """Of its files: tells whether another one lies there by now."""

    @classmethod
    def at(cls, path: str | Path) -> Self:
        """What lies at `path` now, links followed; BundleError if that is no whole bundle."""
        real = Path(path).resolve()
        return cls(str(real), version_of(check_manifest(real, hashes=False)))


Placement = Mapping[str, Placed]
"""By variant."""


@dataclass(frozen=True, slots=True)
class Order:
    """What all workers are to answer from."""

    generation: int
    bundles: Placement
    before: Placement | None = None
    """What they answered from until then."""


@dataclass(frozen=True, slots=True)
class Report:
    """How one worker stands to the orders."""

    generation: int
    problem: str | None = None
    """Why it does not answer from what the order says."""


class RunFolder:
    """The folder that the processes of one server share."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._order = self.path / "order.json"
        self._workers = self.path / "workers"

    def read(self) -> Order | None:
        """The order of now; None before the first."""
        try:
            values = read_json(self._order)
        except FileNotFoundError:
            return None
        return Order(values["generation"], _placement(values["bundles"]) or {}, _placement(values["before"]))

    def give(self, bundles: Placement) -> Order:
        """Order other bundles, of all variants or of some."""
        with in_turn(self.path / ".order"):
            now = self.read()
            if now is None:
                return self._write(Order(0, bundles))
            return self._write(Order(now.generation + 1, {**now.bundles, **bundles}, now.bundles))

    def back(self) -> Order:
        """Order what was answered from before; RequestError where that is not there any longer."""
        with in_turn(self.path / ".order"):
            now = self.read()
            if now is None or now.before is None:
                raise RequestError("nothing to go back to: no other bundle has been served since the server started")
            for placed in now.before.values():
                _check_is_there(placed)
            return self._write(Order(now.generation + 1, now.before, now.bundles))

    def report(self, report: Report) -> None:
        """Say how this process stands."""
        write_json(self._workers / f"{os.getpid()}.json", asdict(report))

    def reports(self) -> dict[int, Report]:
        """Of every process that lives, by its id."""
        found = {int(path.stem): path for path in self._workers.glob("[0-9]*.json")}
        return {pid: Report(**read_json(path)) for pid, path in found.items() if _lives(pid)}

    def _write(self, order: Order) -> Order:
        write_json(self._order, asdict(order))
        return order


def version_of(manifest: Mapping[str, Any]) -> str:
    """A hash of a bundle's files, by their manifest."""
    return fingerprint(manifest["files"])


def _placement(values: Mapping[str, Any] | None) -> Placement | None:
    return None if values is None else {variant: Placed(**placed) for variant, placed in values.items()}


def _check_is_there(placed: Placed) -> None:
    try:
        found = Placed.at(placed.path)
    except BundleError as error:
        raise RequestError(f"cannot go back: {error}") from error
    if found != placed:
        raise RequestError(
            f"cannot go back: another bundle lies at {placed.path} since. "
            "Keep each bundle in a folder of its own, and serve a link to the one that counts"
        )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
