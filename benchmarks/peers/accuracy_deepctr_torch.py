"""DeepCTR-Torch's models on Frappe, trained by its own `compile` and `fit` on float32 arrays.

Its WDL without columns for the linear part is the plain network, without columns for the network logistic regression;
its DeepFM without hidden layers is the factorisation machine, and its DCN of matrices is what DCN-V2 calls the cross
network.
"""

from __future__ import annotations

import numpy as np
import torch
from deepctr_torch.inputs import SparseFeat
from deepctr_torch.models import DCN, WDL, DeepFM

from benchmarks.accuracy_training import Learner, Task, serve_accuracy


def model_of(task: Task, columns):
    """The model by our name for it, with its own defaults but for sizes and dropout."""
    own = {"seed": 1024 + task.seed}
    network = {"dnn_hidden_units": task.hidden, "dnn_dropout": task.dropout}
    match task.model:
        case "logistic_regression":
            return WDL(columns, [], **own)
        case "factorization_machine":
            return DeepFM(columns, columns, dnn_hidden_units=(), **own)
        case "mlp":
            return WDL([], columns, **network, **own)
        case "wide_deep":
            return WDL(columns, columns, **network, **own)
        case "deepfm":
            return DeepFM(columns, columns, **network, **own)
        case "dcn_v2":
            crosses = {"cross_num": task.cross_layers, "cross_parameterization": "matrix"}
            return DCN([], columns, **crosses, **network, **own)
    raise ValueError(f"DeepCTR-Torch has no {task.model}")


def build(task: Task) -> Learner:
    """Adam at 1e-3, an L2 penalty of 1e-5 on the tables, normal weights of deviation 1e-4: its defaults."""
    torch.set_num_threads(1)
    model = model_of(task, [SparseFeat(f"c{i}", size, task.dim) for i, size in enumerate(task.sizes)])
    model.compile("adam", "binary_crossentropy")

    def columns(ids_nF):
        return {f"c{i}": ids_nF[:, i].astype(np.float32) for i in range(ids_nF.shape[1])}

    def fit(ids_nF, label_n):
        # Silent: otherwise the metrics of every batch would be computed too.
        model.fit(columns(ids_nF), label_n, batch_size=task.batch, epochs=1, verbose=0)

    return Learner(model, fit, lambda ids_nF: model.predict(columns(ids_nF), task.batch))


if __name__ == "__main__":
    serve_accuracy(build, "deepctr-torch", "torch")
