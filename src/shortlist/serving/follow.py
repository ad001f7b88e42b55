"""The parent's part in a roll-out: orders a new bundle when told to, or when what it follows has moved."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from shortlist.core.errors import UserError
from shortlist.serving.alias import PREFIX, bundle_at
from shortlist.serving.orders import Placed, RunFolder

_EVERY_S = 2.0
"""How often a link is looked at."""
_EVERY_ALIAS_S = 60.0
"""How often MLflow is asked: each time takes it seconds of a core."""

_log = logging.getLogger("shortlist.serving")


class Follower:
    """Gives orders by what addresses stand for: folders, links to folders, or aliases in MLflow's registry."""

    def __init__(self, folder: RunFolder, addresses: Mapping[str, str]) -> None:
        """`addresses` are those of the bundles by variant."""
        self._folder = folder
        self._addresses = dict(addresses)
        self._ordered: dict[str, Placed] = {}
        self._asked = threading.Event()
        self._stopped = threading.Event()

    def order_first(self, paths: Mapping[str, Path]) -> None:
        """The order that workers start by; UserError where a bundle is not there."""
        self._ordered = {variant: Placed.at(path) for variant, path in paths.items()}
        self._folder.give(self._ordered)

    def ask(self) -> None:
        """Order what lies there now, even if it is what was ordered before."""
        self._asked.set()

    def stop(self) -> None:
        """End `watch`."""
        self._stopped.set()
        self._asked.set()

    def watch(self, by_itself: bool) -> None:
        """Order whatever is asked for until stopped, and `by_itself` whatever has moved."""
        uses_mlflow = any(address.startswith(PREFIX) for address in self._addresses.values())
        every_s = (_EVERY_ALIAS_S if uses_mlflow else _EVERY_S) if by_itself else None
        while True:
            told = self._asked.wait(every_s)
            self._asked.clear()
            if self._stopped.is_set():
                return
            self._look(told)

    def _look(self, told: bool) -> None:
        try:
            found = self._found()
        except UserError as error:
            _log.error("what was to be served cannot be had, the bundle before goes on: %s", error)
            return
        if told or found != self._ordered:
            self._ordered = found
            order = self._folder.give(found)
            _log.info("generation %d: %s", order.generation, ", ".join(placed.path for placed in found.values()))

    def _found(self) -> dict[str, Placed]:
        return {variant: Placed.at(Path(bundle_at(address))) for variant, address in self._addresses.items()}
