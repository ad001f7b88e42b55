"""A worker for tests: it adds, it prints, it fails and it dies."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.worker import Answer, serve

os.write(1, b"half a line as it is imported")


def open_worker(settings: dict[str, Any]) -> dict[str, Answer]:
    if settings.get("refuses"):
        raise ValueError("no such data")
    print("loaded")

    def add(left: int, right: int) -> dict[str, Any]:
        print("adding")
        return {"sum": left + right, "rows": 10, "cpu_s": 2.0}

    def fail() -> dict[str, Any]:
        raise KeyError("column")

    def die() -> dict[str, Any]:
        os.write(2, b"ImportError: libgone.so: cannot open\n")
        os._exit(3)

    return {"add": add, "fail": fail, "die": die}


if __name__ == "__main__":
    serve(open_worker, ("pytest",))
