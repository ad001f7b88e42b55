"""The parent's part in a roll-out: orders a new bundle when told to, or when what it follows has moved."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from shortlist.bundle.manifest import check_manifest
from shortlist.core.errors import UserError
from shortlist.serving.alias import PREFIX
from shortlist.serving.orders import Placed, Placement, RunFolder

_EVERY_S = 2.0
"""How often a link is looked at."""
_EVERY_ALIAS_S = 60.0
"""How often MLflow is asked: each time takes it seconds of a core."""

_log = logging.getLogger("shortlist.serving")


class Follower:
    """Gives orders by what addresses stand for: folders, links to folders, or aliases in MLflow's registry."""

    def __init__(self, folder: RunFolder, first: Placement) -> None:
        """`first` is what workers start by; its addresses are followed."""
        self._folder = folder
        self._seen = dict(first)
        self._asked = threading.Event()
        self._stopped = threading.Event()

    def order_first(self) -> None:
        """The order that workers start by."""
        self._folder.give(self._seen)

    def ask(self) -> None:
        """Order what lies there now, even if it is what was ordered before."""
        self._asked.set()

    def stop(self) -> None:
        """End `watch`."""
        self._stopped.set()
        self._asked.set()

    def watch(self, by_itself: bool) -> None:
        """Order whatever is asked for until stopped, and `by_itself` whatever has moved."""
        uses_mlflow = any(placed.address.startswith(PREFIX) for placed in self._seen.values())
        every_s = (_EVERY_ALIAS_S if uses_mlflow else _EVERY_S) if by_itself else None
        while True:
            told = self._asked.wait(every_s)
            self._asked.clear()
            if self._stopped.is_set():
                return
            self.look(told)

    def look(self, told: bool) -> None:
        """Order what each address leads to by now where that has changed, or everywhere when `told` to.

        What an address led to before is left alone, for somebody may have ordered another bundle in its place.
        """
        found: dict[str, Placed] = {}
        for variant, seen in self._seen.items():
            try:
                placed = Placed.at(seen.address)
                if told or placed != seen:
                    # Remembered before it is checked: one that is broken is not hashed again every two seconds.
                    self._seen[variant] = placed
                    check_manifest(Path(placed.path))
                    found[variant] = placed
            except (UserError, OSError) as error:
                _log.error("what was to be served cannot be had, the bundle before goes on: %s", error)
        if found:
            order = self._folder.give(found)
            _log.info("generation %d: %s", order.generation, ", ".join(placed.path for placed in found.values()))
