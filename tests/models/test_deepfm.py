"""DeepFM: what its two parts get of a row. The machine's equation is tested with the other interactions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from shortlist.models.catalogue import ranking_model
from shortlist.models.ranking.deepfm import DeepFM
from shortlist.nn.batch import Batch
from shortlist.recipe.training import Model
from shortlist.testing.inputs import random_rows, ranking_inputs

INPUTS = ranking_inputs()
ROWS = 7


def build(**settings: Any) -> DeepFM:
    torch.manual_seed(0)
    model = ranking_model(Model.model_validate({"name": "deepfm", "embedding_dim": 3, **settings}), INPUTS)
    assert isinstance(model, DeepFM)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    model.eval()
    return model


def vectors(model: DeepFM, batch: Batch) -> Tensor:
    with torch.inference_mode():
        return model.features.vectors(batch)


def test_machine_and_network_add_up() -> None:
    model = build(hidden=[5])
    batch = Batch.of(random_rows(INPUTS, ROWS))
    rows_BCW = vectors(model, batch)
    with torch.inference_mode():
        deep_BW = model.deep(torch.cat([rows_BCW[..., :3].flatten(1), batch.numbers_BN], dim=1))
        expected_BO = model.machine(rows_BCW, batch.numbers_BN) + model.head(deep_BW)
        torch.testing.assert_close(model(batch), expected_BO)


def test_first_order_weights_begin_at_zero() -> None:
    torch.manual_seed(0)
    model = ranking_model(Model(name="deepfm"), INPUTS)
    assert isinstance(model, DeepFM)
    table = next(iter(model.features.embeddings.tables.parameters()))

    assert table.shape[1] == 16 + 2
    assert not table[:, 16:].any()
    assert table[:, :16].any(dim=1).all()
