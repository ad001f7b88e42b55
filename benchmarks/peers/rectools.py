"""SASRec of RecTools by its own data preparator, data loader and Lightning trainer, a part of an epoch at a time."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.item_net import IdEmbeddingsItemNet

from benchmarks.sequence_training import BATCH, Task
from benchmarks.worker import cpu_seconds, serve


def trainer():
    """Its default one but for what is written and shown."""
    return Trainer(
        max_epochs=1,
        min_epochs=1,
        limit_train_batches=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
        accelerator="cpu",
    )


def built(task: Task) -> SASRecModel:
    """The model after one batch."""
    item_n, offsets_u = task.read()
    users = len(offsets_u) - 1
    log = pd.DataFrame(
        {
            Columns.User: np.repeat(np.arange(users), np.diff(offsets_u)),
            Columns.Item: item_n,
            Columns.Weight: 1.0,
            Columns.Datetime: pd.to_datetime(np.arange(len(item_n)), unit="s"),
        }
    )
    model = SASRecModel(
        n_blocks=task.blocks,
        n_heads=1,
        n_factors=task.dim,
        dropout_rate=task.dropout,
        session_max_len=task.length,
        loss="BCE",
        n_negatives=1,
        lr=1e-3,
        batch_size=BATCH,
        item_net_block_types=(IdEmbeddingsItemNet,),
        get_trainer_func=trainer,
    )
    return model.fit(Dataset.construct(log))


def open_worker(settings):
    """Train."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    task = Task.of(settings)
    torch.manual_seed(task.seed)
    model = built(task)
    loader = model.data_preparator.get_dataloader_train()

    def train(batches):
        fitting = model.fit_trainer
        # As its own `fit_partial` goes on, which would prepare the data anew.
        epochs = fitting.fit_loop.epoch_progress.current.ready + 1
        fitting.fit_loop.max_epochs = fitting.fit_loop.min_epochs = epochs
        fitting.limit_train_batches = batches
        model.lightning_model.train()
        before = cpu_seconds()
        fitting.fit(model.lightning_model, loader)
        return {"cpu_s": cpu_seconds() - before, "rows": batches * BATCH}

    return {"train": train}


if __name__ == "__main__":
    serve(open_worker, ("rectools", "torch", "pytorch-lightning"))
