"""Merlin's dataloader for torch, on the CPU, over Parquet files."""

from __future__ import annotations

import warnings

warnings.filterwarnings("ignore", message=".*dtype mappings did not load.*")

import torch  # noqa: E402
from merlin.dataloader.torch import Loader  # noqa: E402
from merlin.io import Dataset  # noqa: E402

from benchmarks.click_loading import BATCH, serve_loading  # noqa: E402


def open_source(settings):
    """A column of the batch is a tensor of its own."""
    torch.set_num_threads(1)
    data = Dataset(f"{settings['folder']}/parquet/*.parquet", engine="parquet", cpu=True)
    loader = Loader(data, batch_size=BATCH, shuffle=True, device="cpu")

    def one_pass():
        for columns, _ in loader:
            yield len(columns["n0"]), len(columns) - ("label" in columns)

    return one_pass


if __name__ == "__main__":
    serve_loading(open_source, "merlin-dataloader", "merlin-core", "torch")
