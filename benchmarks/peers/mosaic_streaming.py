"""MosaicML Streaming's data set and loader over its own MDS shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.click_loading import BATCH, serve_loading
from benchmarks.peers.image_operators import declare

_declared = declare()

from streaming import MDSWriter, StreamingDataLoader, StreamingDataset  # noqa: E402
from streaming.base.util import clean_stale_shared_memory  # noqa: E402

ROWS = 200_000
"""Of the log; it reads so few rows a second that more would only take longer to write."""


def open_source(settings):
    """Shuffled by its default algorithm."""
    torch.set_num_threads(1)
    folder = Path(settings["folder"]) / "mds"
    if not (folder / "index.json").is_file():
        write(Path(settings["folder"]), folder)
    clean_stale_shared_memory()
    data = StreamingDataset(
        local=str(folder), shuffle=True, batch_size=BATCH, num_canonical_nodes=1, shuffle_seed=settings["seed"]
    )
    loader = StreamingDataLoader(data, batch_size=BATCH, num_workers=0)

    def one_pass():
        for columns in loader:
            yield len(columns["ids"]), columns["ids"].shape[1] + columns["numbers"].shape[1]

    return one_pass


def write(source: Path, folder: Path) -> None:
    """The first rows of the log as MDS shards."""
    arrays = [np.load(source / f"train_{what}.npy", mmap_mode="r")[:ROWS] for what in ("numbers", "ids", "label")]
    numbers_nN, ids_nF, label_n = arrays
    columns = {
        "numbers": f"ndarray:float32:{numbers_nN.shape[1]}",
        "ids": f"ndarray:int32:{ids_nF.shape[1]}",
        "label": "float32",
    }
    with MDSWriter(out=str(folder), columns=columns) as writer:
        for numbers, ids, label in zip(numbers_nN, ids_nF, label_n, strict=True):
            writer.write({"numbers": np.array(numbers), "ids": np.array(ids), "label": np.float32(label)})


if __name__ == "__main__":
    serve_loading(open_source, "mosaicml-streaming", "torch")
