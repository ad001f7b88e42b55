"""DeepFM against its equations, written as loops over pairs."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor

from shortlist.models.catalogue import ranking_model
from shortlist.models.ranking.deepfm import DeepFM
from shortlist.nn.batch import Batch
from shortlist.recipe.sections import Model
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


def silence(module: torch.nn.Module) -> None:
    """Make a linear network answer 0."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()


def vectors(model: DeepFM, batch: Batch) -> Tensor:
    with torch.inference_mode():
        return model.features.vectors(batch)


def test_the_machine_is_the_sum_over_all_pairs_of_features() -> None:
    model = build(hidden=[])
    silence(model.deep)
    batch = Batch.of(random_rows(INPUTS, ROWS))
    rows_BCW = vectors(model, batch)
    vector_ND, weight_NT, bias_T = (p.detach() for p in (model.vector_ND, model.weight_NT, model.bias_T))
    with torch.inference_mode():
        logits_BT = model(batch)

    for b in range(ROWS):
        numbers = batch.numbers_BN[b]
        parts = [*rows_BCW[b, :, :3], *(x * v for x, v in zip(numbers, vector_ND, strict=True))]
        pairs = sum(float(one @ other) for one, other in combinations(parts, 2))
        for t in range(2):
            linear = rows_BCW[b, :, 3 + t].sum() + numbers @ weight_NT[:, t] + bias_T[t]
            assert float(logits_BT[b, t]) == pytest.approx(float(linear) + pairs, rel=1e-4, abs=1e-4)


def test_the_network_gets_vectors_and_numbers_but_no_first_order_weights() -> None:
    model = build(hidden=[5])
    batch = Batch.of(random_rows(INPUTS, ROWS))
    with torch.inference_mode():
        whole_BT = model(batch)
        deep_BT = model.deep(torch.cat([vectors(model, batch)[..., :3].flatten(1), batch.numbers_BN], dim=1))
        silence(model.deep)
        machine_BT = model(batch)

    torch.testing.assert_close(whole_BT, machine_BT + deep_BT)


def test_first_order_weights_begin_at_zero() -> None:
    torch.manual_seed(0)
    model = ranking_model(Model(name="deepfm"), INPUTS)
    assert isinstance(model, DeepFM)
    table = next(iter(model.features.embeddings.tables.parameters()))

    assert table.shape[1] == 16 + 2
    assert not table[:, 16:].any()
    assert table[:, :16].any(dim=1).all()
