"""DeepCTR-Torch's DeepFM, trained by its own `compile` and `fit` on float32 arrays.

`fit` stays silent (`verbose=0`): with it the metrics of every batch would be computed too.
"""

from __future__ import annotations

import numpy as np
import torch
from deepctr_torch.inputs import DenseFeat, SparseFeat
from deepctr_torch.models import DeepFM

from benchmarks.click_training import BATCH, Learner, Task, serve_training


def build(task: Task) -> Learner:
    """Defaults but for the sizes; its optimisers are chosen by name."""
    torch.set_num_threads(1)
    fields = [SparseFeat(f"c{i}", size, task.dim) for i, size in enumerate(task.cardinalities)]
    numbers = [DenseFeat(f"n{i}", 1) for i in range(task.numbers)]
    model = DeepFM(fields + numbers, fields + numbers, dnn_hidden_units=task.hidden, seed=1024 + task.seed)
    model.compile("adam" if task.optimiser == "default" else task.optimiser, "binary_crossentropy")

    def columns(numbers_nN, ids_nF):
        return {
            **{f"c{i}": ids_nF[:, i].astype(np.float32) for i in range(ids_nF.shape[1])},
            **{f"n{i}": numbers_nN[:, i] for i in range(numbers_nN.shape[1])},
        }

    def fit(numbers_nN, ids_nF, label_n):
        model.fit(columns(numbers_nN, ids_nF), label_n, batch_size=BATCH, epochs=1, verbose=0)
        model.zero_grad(set_to_none=True)

    return Learner(fit, lambda numbers_nN, ids_nF: model.predict(columns(numbers_nN, ids_nF), BATCH))


if __name__ == "__main__":
    serve_training(build, "deepctr-torch", "torch")
