"""ONNX Runtime sessions that take encoded rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from shortlist.features.rows import FeatureRows

CHUNK = 8192
"""Rows scored at once: the widest layer's activations stay in the cache's reach."""


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
        """Whether the model has an input of that name, as `FeatureRows.feeds` gives them."""
        return name in self._inputs

    def __call__(self, rows: FeatureRows) -> npt.NDArray[Any]:
        """The model's first output for every row; inputs that the model does not use are left out."""
        chunks = [rows] if len(rows) <= CHUNK else _chunks(rows)
        return np.concatenate([self._run(chunk) for chunk in chunks])

    def _run(self, rows: FeatureRows) -> npt.NDArray[Any]:
        feeds = {name: array for name, array in rows.feeds().items() if name in self._inputs}
        output: npt.NDArray[Any] = self._session.run(None, feeds)[0]
        return output


def _chunks(rows: FeatureRows) -> Iterator[FeatureRows]:
    for start in range(0, len(rows), CHUNK):
        part = rows.take(np.arange(start, min(start + CHUNK, len(rows))))
        yield part.with_own_histories()
