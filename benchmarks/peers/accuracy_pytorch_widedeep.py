"""pytorch-widedeep's models on Frappe, trained by its own `Trainer.fit` on arrays.

DeepFM is its `DeepFactorizationMachine` beside its linear `Wide`; the factorisation machine is that without a network.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.peers.image_operators import declare

_declared = declare()

from pytorch_widedeep import Trainer  # noqa: E402
from pytorch_widedeep.models import TabMlp, Wide, WideDeep  # noqa: E402
from pytorch_widedeep.models.rec import DeepFactorizationMachine  # noqa: E402

from benchmarks.accuracy_training import Learner, Task, serve_accuracy  # noqa: E402

WITH_WIDE = ("logistic_regression", "factorization_machine", "wide_deep", "deepfm")


def deep_of(task: Task):
    """The part beside the linear one, by our name for the model; None for logistic regression."""
    # Its tables have a row 0 of zeros for unseen values beside the number of values that it is told.
    fields = [(f"c{i}", size - 1) for i, size in enumerate(task.sizes)]
    columns = {"column_idx": {name: place for place, (name, _) in enumerate(fields)}}
    embedded = {**columns, "cat_embed_input": [(name, size, task.dim) for name, size in fields]}
    network = {"mlp_hidden_dims": list(task.hidden), "mlp_dropout": task.dropout}
    match task.model:
        case "logistic_regression":
            return None
        case "mlp" | "wide_deep":
            return TabMlp(**embedded, **network)
        case "deepfm":
            return DeepFactorizationMachine(**columns, cat_embed_input=fields, num_factors=task.dim, **network)
        case "factorization_machine":
            machine = {"num_factors": task.dim, "mlp_hidden_dims": None}
            return DeepFactorizationMachine(**columns, cat_embed_input=fields, **machine)
    raise ValueError(f"pytorch-widedeep has no {task.model}")


def build(task: Task) -> Learner:
    """Adam at 1e-3: its default."""
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    deep = deep_of(task)
    wide = Wide(input_dim=sum(task.sizes) - len(task.sizes)) if task.model in WITH_WIDE else None
    trainer = Trainer(WideDeep(wide=wide, deeptabular=deep), objective="binary", verbose=0, num_workers=0)
    before_F = np.concatenate([[0], np.cumsum(np.array(task.sizes[:-1]) - 1)])

    def tables(ids_nF):
        linear = {} if wide is None else {"X_wide": np.where(ids_nF > 0, ids_nF + before_F, 0)}
        return {**linear, **({} if deep is None else {"X_tab": ids_nF.astype(np.float32)})}

    def fit(ids_nF, label_n):
        trainer.fit(**tables(ids_nF), target=label_n, n_epochs=1, batch_size=task.batch)

    def predict(ids_nF):
        scores_nC = trainer.predict_proba(**tables(ids_nF), batch_size=task.batch)
        return scores_nC[:, 1]

    return Learner(trainer.model, fit, predict)


if __name__ == "__main__":
    serve_accuracy(build, "pytorch-widedeep", "torch")
