"""DeepFM of FuxiCTR's own layers, trained by its own `BaseModel.fit` from its own in-memory data set and collator.

The package ships the layers and the training loop; its DeepFM stands beside them in the repository. This one is put
together alike: embeddings of all 39 columns, the factorisation machine and the network over them.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders.npz_dataloader import BatchCollator, NpzDataset
from fuxictr.pytorch.layers import FactorizationMachine, FeatureEmbedding, MLP_Block
from fuxictr.pytorch.models import BaseModel
from torch.utils.data import DataLoader

from benchmarks.click_training import BATCH, Learner, Task, serve_training


class InMemory(NpzDataset):
    """Its data set, from arrays by column rather than from a file of them."""

    def load_data(self, data_path):
        """Side by side, in the order of the features, as it does with what it has read."""
        return np.column_stack([data_path[name] for name in [*self.feature_map.features, *self.feature_map.labels]])


class DeepFM(BaseModel):
    """Without the evaluation and the file of weights at the end of every call of `fit`."""

    def __init__(self, feature_map, dim, hidden):
        super().__init__(feature_map, model_id="DeepFM", verbose=0, model_root="", metrics=["AUC"])
        self.embedding = FeatureEmbedding(feature_map, dim)
        self.fm = FactorizationMachine(feature_map)
        self.mlp = MLP_Block(feature_map.sum_emb_out_dim(), list(hidden), output_dim=1)
        self.compile("adam", "binary_crossentropy", 1e-3)
        self.reset_parameters()

    def forward(self, inputs):
        """Click probability of a batch, as its `BaseModel` expects it."""
        columns = self.get_inputs(inputs)
        embedded = self.embedding(columns)
        logit = self.fm(columns, embedded) + self.mlp(embedded.flatten(start_dim=1))
        return {"y_pred": self.output_activation(logit)}

    def eval_step(self):
        """Nothing: what is measured is training."""

    def load_weights(self, checkpoint):
        """Nothing: training goes on."""


def build(task: Task) -> Learner:
    """Defaults but for the sizes: Adam at 1e-3, gradients clipped at a norm of 10."""
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    feature_map = FeatureMap("clicks", ".")
    feature_map.default_emb_dim = task.dim
    numbers = {f"n{i}": {"type": "numeric", "source": ""} for i in range(task.numbers)}
    fields = {
        f"c{i}": {"type": "categorical", "source": "", "vocab_size": size} for i, size in enumerate(task.cardinalities)
    }
    feature_map.features = OrderedDict({**numbers, **fields})
    feature_map.labels = ["label"]
    feature_map.num_fields = feature_map.get_num_fields()
    feature_map.set_column_index()
    model = DeepFM(feature_map, task.dim, task.hidden)

    def loader(numbers_nN, ids_nF, label_n, shuffle):
        columns = {
            **{f"n{i}": numbers_nN[:, i] for i in range(numbers_nN.shape[1])},
            **{f"c{i}": ids_nF[:, i] for i in range(ids_nF.shape[1])},
            "label": label_n,
        }
        data = InMemory(feature_map, columns)
        return DataLoader(data, batch_size=BATCH, shuffle=shuffle, collate_fn=BatchCollator(feature_map))

    def fit(numbers_nN, ids_nF, label_n):
        model.fit(loader(numbers_nN, ids_nF, label_n, shuffle=True), epochs=1)
        model.zero_grad(set_to_none=True)

    def predict(numbers_nN, ids_nF):
        return model.predict(loader(numbers_nN, ids_nF, np.zeros(len(ids_nF), np.float32), shuffle=False))

    return Learner(fit, predict)


if __name__ == "__main__":
    serve_training(build, "fuxictr", "torch")
