"""What every worker of `loader` does alike: deliver shuffled batches as tensors and count CPU seconds.

Of the standard library alone, as it runs in every peer's environment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.worker import Answer, cpu_seconds, serve

BATCH = 4096
Sizes = Iterator[tuple[int, int]]
"""Rows and columns of each batch, in the order of delivery."""


def serve_loading(open_source: Callable[[dict[str, Any]], Callable[[], Sizes]], *packages: str) -> None:
    """Serve `load`; what `open_source` makes of the settings begins a pass over the data at each call."""

    def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
        begin = open_source(settings)
        batches: Sizes = iter(())

        def following() -> tuple[int, int]:
            nonlocal batches
            found = next(batches, None)
            if found is None:
                batches = begin()
                found = next(batches)
            return found

        def load(rows: int) -> dict[str, Any]:
            """At least `rows` rows, going on where the last call ended, and into the next pass where one ends."""
            delivered, columns = 0, 0
            before = cpu_seconds()
            while delivered < rows:
                size, columns = following()
                delivered += size
            return {"cpu_s": cpu_seconds() - before, "rows": delivered, "columns": columns}

        return {"load": load}

    serve(open_worker, packages)
