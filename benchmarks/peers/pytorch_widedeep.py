"""pytorch-widedeep's DeepFactorizationMachine beside its linear Wide part, trained by its own `Trainer.fit` on arrays.

It embeds the numbers too, each by a vector of its own, and so its network is wider: that is its DeepFM.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.peers.image_operators import declare

_declared = declare()

from pytorch_widedeep import Trainer  # noqa: E402
from pytorch_widedeep.models import Wide, WideDeep  # noqa: E402
from pytorch_widedeep.models.rec import DeepFactorizationMachine  # noqa: E402

from benchmarks.click_training import BATCH, Learner, Task, serve_training  # noqa: E402


def build(task: Task) -> Learner:
    """Defaults but for the sizes: Adam at 1e-3. Its ids count from 1, as its preprocessors leave them."""
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    fields = [f"c{i}" for i in range(len(task.cardinalities))]
    numbers = [f"n{i}" for i in range(task.numbers)]
    deepfm = DeepFactorizationMachine(
        column_idx={name: place for place, name in enumerate(fields + numbers)},
        num_factors=task.dim,
        cat_embed_input=list(zip(fields, task.cardinalities, strict=True)),
        continuous_cols=numbers,
        mlp_hidden_dims=list(task.hidden),
    )
    offset_F = np.cumsum([1, *task.cardinalities[:-1]]).astype(np.int64)
    wide = Wide(input_dim=sum(task.cardinalities))
    trainer = Trainer(WideDeep(wide=wide, deeptabular=deepfm), objective="binary", verbose=0, num_workers=0)

    def tables(numbers_nN, ids_nF):
        tabular_nC = np.concatenate([ids_nF + 1, numbers_nN], axis=1).astype(np.float32)
        return {"X_wide": ids_nF + offset_F, "X_tab": tabular_nC}

    def fit(numbers_nN, ids_nF, label_n):
        trainer.fit(**tables(numbers_nN, ids_nF), target=label_n, n_epochs=1, batch_size=BATCH)
        trainer.model.zero_grad(set_to_none=True)

    def predict(numbers_nN, ids_nF):
        scores_nC = trainer.predict_proba(**tables(numbers_nN, ids_nF), batch_size=BATCH)
        trainer.model.train()
        return scores_nC[:, 1]

    return Learner(fit, predict)


if __name__ == "__main__":
    serve_training(build, "pytorch-widedeep", "torch")
