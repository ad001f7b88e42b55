"""Torch-RecHub's models on Frappe, trained by its own `CTRTrainer`.

The trainer gets whole batches: its `DataGenerator` collects them row by row, which changes the time and nothing else.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch_rechub.basic.features import SparseFeature
from torch_rechub.models.ranking import DCNv2, DeepFM, WideDeep
from torch_rechub.trainers import CTRTrainer

from benchmarks.accuracy_training import Learner, Task, serve_accuracy


def model_of(task: Task, fields):
    """The model by our name for it; its networks have batch normalisation."""
    network = {"dims": list(task.hidden), "dropout": task.dropout}
    match task.model:
        case "wide_deep":
            return WideDeep(fields, fields, network)
        case "deepfm":
            return DeepFM(fields, fields, network)
        case "dcn_v2":
            return DCNv2(fields, task.cross_layers, network, use_low_rank_mixture=False)
    raise ValueError(f"Torch-RecHub has no {task.model}")


class Batches:
    """Shuffled batches of one epoch, the last of them shorter."""

    def __init__(self, ids_nF, label_n, size):
        self.ids_nF, self.label_n = torch.from_numpy(ids_nF), torch.from_numpy(label_n)
        self.size = size

    def __len__(self):
        return math.ceil(len(self.label_n) / self.size)

    def __iter__(self):
        for rows_B in torch.randperm(len(self.label_n)).split(self.size):
            yield named(self.ids_nF[rows_B]), self.label_n[rows_B]


def named(ids_BF):
    """A batch by the fields' names."""
    return {f"c{i}": ids_BF[:, i] for i in range(ids_BF.shape[1])}


def build(task: Task) -> Learner:
    """Adam at 1e-3 with a weight decay of 1e-5: its defaults."""
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    model = model_of(task, [SparseFeature(f"c{i}", size, task.dim) for i, size in enumerate(task.sizes)])
    trainer = CTRTrainer(model)

    def predict(ids_nF):
        model.eval()
        with torch.no_grad():
            scores = [model(named(ids_BF)) for ids_BF in torch.from_numpy(ids_nF).split(task.batch)]
        return np.concatenate([score_B.numpy() for score_B in scores])

    return Learner(
        model, lambda ids_nF, label_n: trainer.train_one_epoch(Batches(ids_nF, label_n, task.batch)), predict
    )


if __name__ == "__main__":
    serve_accuracy(build, "torch-rechub", "torch")
