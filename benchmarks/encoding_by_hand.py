"""What those who encode by hand share: the columns, and the clock around one round. Of the standard library alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.worker import Answer, cpu_seconds, serve

TEXTS = ("user", "item", "category")
NUMBERS = ("price", "dwell")
LABEL = "clicked"

Encode = Callable[[str, str], None]
"""From the Parquet file of a log to a file with ids from 1 on by frequency, numbers of mean 0 and deviation 1 as
float32, and the label as float32."""


def serve_encoding(ways: Callable[[], dict[str, Encode]], *packages: str) -> None:
    """Answer with the rows and CPU seconds of one round; `ways` imports what the work needs."""

    def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
        encode = ways()[settings["way"]]
        log, folder = settings["log"], Path(settings["folder"])
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{settings['way']}.columns"

        def measured() -> dict[str, Any]:
            before = cpu_seconds()
            encode(log, str(target))
            spent = cpu_seconds() - before
            target.unlink(missing_ok=True)
            return {"rows": settings["rows"], "cpu_s": spent}

        return {"encode": measured}

    serve(open_worker, packages)
