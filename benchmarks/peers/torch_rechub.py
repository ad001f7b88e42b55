"""Torch-RecHub's DeepFM, trained by its own `CTRTrainer` from its own `DataGenerator`."""

from __future__ import annotations

import numpy as np
import torch
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.ranking import DeepFM
from torch_rechub.trainers import CTRTrainer
from torch_rechub.utils.data import DataGenerator

from benchmarks.click_training import BATCH, Learner, Task, serve_training


def build(task: Task) -> Learner:
    """Defaults but for the sizes: Adam at 1e-3 with a weight decay of 1e-5, batch normalisation in the network."""
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    fields = [SparseFeature(f"c{i}", size, task.dim) for i, size in enumerate(task.cardinalities)]
    numbers = [DenseFeature(f"n{i}") for i in range(task.numbers)]
    model = DeepFM(numbers + fields, fields, {"dims": list(task.hidden)})
    trainer = CTRTrainer(model)

    def columns(numbers_nN, ids_nF):
        return {
            **{f"c{i}": ids_nF[:, i] for i in range(ids_nF.shape[1])},
            **{f"n{i}": numbers_nN[:, i] for i in range(numbers_nN.shape[1])},
        }

    def fit(numbers_nN, ids_nF, label_n):
        data = DataGenerator(columns(numbers_nN, ids_nF), label_n)
        train_loader, _, _ = data.generate_dataloader(split_ratio=[1.0, 0.0], batch_size=BATCH)
        trainer.train_one_epoch(train_loader)
        model.zero_grad(set_to_none=True)

    def predict(numbers_nN, ids_nF):
        model.eval()
        with torch.no_grad():
            scores = [
                model({name: torch.from_numpy(column[start : start + BATCH].copy()) for name, column in named.items()})
                for named in [columns(numbers_nN, ids_nF)]
                for start in range(0, len(ids_nF), BATCH)
            ]
        return np.concatenate([score.numpy() for score in scores])

    return Learner(fit, predict)


if __name__ == "__main__":
    serve_training(build, "torch-rechub", "torch")
