"""ONNX Runtime sessions that take encoded rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime

CHUNK = 8192
"""Rows scored at once: the widest layer's activations stay in the cache's reach."""


class Rows(Protocol):
    """What a model takes: `FeatureRows`, or `Pairs` where it is a ranker."""

    def __len__(self) -> int: ...

    def feeds(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by input name."""

    def part(self, start: int, stop: int) -> Self:
        """The rows from `start` to before `stop`."""


R = TypeVar("R", bound=Rows)


class Session:
    """One exported model."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would take the core from the server's other workers between requests.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._inputs = {value.name for value in self._session.get_inputs()}

    def takes(self, name: str) -> bool:
        """Whether the model has an input of that name, as `feeds` gives them."""
        return name in self._inputs

    def __call__(self, rows: Rows) -> npt.NDArray[Any]:
        """The model's first output for every row; inputs that the model does not use are left out."""
        if len(rows) <= CHUNK:
            output: npt.NDArray[Any] = self._run(rows)[0]
            return output
        return np.concatenate([self._run(part)[0] for part in in_chunks(rows)])

    def named(self, rows: Rows) -> dict[str, npt.NDArray[Any]]:
        """All of the model's outputs for every row, by name."""
        found = zip(*(self._run(part) for part in in_chunks(rows)), strict=True)
        return {
            output.name: arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
            for output, arrays in zip(self._session.get_outputs(), found, strict=True)
        }

    def _run(self, rows: Rows) -> list[npt.NDArray[Any]]:
        feeds = {name: array for name, array in rows.feeds().items() if name in self._inputs}
        outputs: list[npt.NDArray[Any]] = self._session.run(None, feeds)
        return outputs


def in_chunks(rows: R) -> Iterator[R]:
    """The rows themselves where they are few, or else a chunk after another."""
    if len(rows) <= CHUNK:
        yield rows
    else:
        for start in range(0, len(rows), CHUNK):
            yield rows.part(start, start + CHUNK)
