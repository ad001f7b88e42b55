"""How worker processes learn what to answer from: one small file in a folder that they share.

Whoever wants another bundle raises the generation in `order.json`. Each worker reads it several times a second, loads
what it says beside what it has, and says in a file of its own which generation it answers from.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from shortlist.bundle.manifest import check_manifest, version_of
from shortlist.core.errors import BundleError, RequestError
from shortlist.core.files import read_json, write_json
from shortlist.core.lock import in_turn
from shortlist.serving.alias import PREFIX, bundle_at

_KEPT = 2
"""Placements that an order remembers: the one to go back to, and the one before it, should they meet again."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A bundle, and where it lies."""

    path: str
    version: str
    """Of its files: tells whether another one lies there by now."""
    address: str = field(compare=False)
    """What led there: a folder, a link to it, or `models:/NAME@ALIAS`, which may lead elsewhere by now."""

    @classmethod
    def at(cls, address: str | Path, hashes: bool = False) -> Self:
        """What `address` stands for now, links followed; `hashes` compares each file with the manifest.

        BundleError if that is no whole bundle, EnvironmentFault where MLflow does not know it.
        """
        try:
            found = bundle_at(address)
            real = found.resolve()
            version = version_of(check_manifest(real, hashes))
        except (OSError, ValueError) as error:
            raise BundleError(f"no bundle can be read at {str(address)!r}: {error}. Name the folder of one") from error
        return cls(str(real), version, str(address) if str(address).startswith(PREFIX) else str(found.absolute()))


Placement = Mapping[str, Placed]
"""By variant."""


@dataclass(frozen=True, slots=True)
class Order:
    """What all workers are to answer from."""

    generation: int
    bundles: Placement
    before: tuple[Placement, ...] = ()
    """What they answered from without a problem until then, the latest first; none of it is what is ordered."""


@dataclass(frozen=True, slots=True)
class Report:
    """How one worker stands to the orders."""

    generation: int
    """The latest order that it has looked at; -1 while it starts."""
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
        return Order(values["generation"], _placement(values["bundles"]), tuple(map(_placement, values["before"])))

    def give(self, bundles: Placement) -> Order:
        """Order other bundles, of all variants or of some."""
        with in_turn(self.path / ".order"):
            now = self.read()
            if now is None:
                return self._write(Order(0, bundles))
            return self._write(self._next(now, {**now.bundles, **bundles}))

    def back(self) -> Order:
        """Order what was answered from before; RequestError where that is not there any longer."""
        with in_turn(self.path / ".order"):
            now = self.read()
            if now is None or not now.before:
                raise RequestError("nothing to go back to: no other bundle has been served since the server started")
            for placed in now.before[0].values():
                _check_is_there(placed)
            return self._write(self._next(now, now.before[0]))

    def report(self, report: Report) -> None:
        """Say how this process stands."""
        write_json(self._report_of(os.getpid()), asdict(report))

    def forget(self, pid: int) -> None:
        """Remove what a process said that has ended: another one may get its id."""
        self._report_of(pid).unlink(missing_ok=True)

    def reports(self) -> dict[int, Report]:
        """Of every process that lives, by its id."""
        found: dict[int, Report] = {}
        for path in self._workers.glob("[0-9]*.json"):
            # It may be forgotten meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if _lives(int(path.stem)):
                    found[int(path.stem)] = Report(**read_json(path))
        return found

    def _report_of(self, pid: int) -> Path:
        return self._workers / f"{pid}.json"

    def _next(self, now: Order, bundles: Placement) -> Order:
        """The order after `now`; what could not be served is nothing to go back to."""
        said = [report for report in self.reports().values() if report.generation == now.generation]
        is_served = bool(said) and all(report.problem is None for report in said)
        served = (now.bundles, *now.before) if is_served else now.before
        return Order(now.generation + 1, bundles, tuple(before for before in served if before != bundles)[:_KEPT])

    def _write(self, order: Order) -> Order:
        write_json(self._order, asdict(order))
        return order


def _placement(values: Mapping[str, Any]) -> Placement:
    return {variant: Placed(**placed) for variant, placed in values.items()}


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
