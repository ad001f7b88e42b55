"""Parts of layers: every layer of every model is in one that is called, and no history or table is."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import Tensor, nn

from shortlist.models.catalogue import RANKING, ranking_model
from shortlist.nn.batch import Batch
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.heads import Head
from shortlist.nn.history import Encoding, HistoryEncoder
from shortlist.recipe.training import Model
from shortlist.testing.inputs import random_rows, ranking_inputs
from shortlist.training.layers import parts_of_layers
from shortlist.training.precision import Precision

FULL: dict[str, dict[str, Any]] = {"final_mlp": {"gates": [16]}, "dcn_v2": {"rank": 8}}


def build(name: str, **settings: Any) -> nn.Module:
    torch.manual_seed(0)
    return ranking_model(Model.model_validate({"name": name, **FULL.get(name, {}), **settings}), ranking_inputs())


@pytest.mark.parametrize("history", get_args(Encoding))
@pytest.mark.parametrize("name", RANKING.names())
def test_parts_hold_every_layer_but_those_of_histories(name: str, history: Encoding) -> None:
    if "history" not in RANKING[name].Config.model_fields:
        pytest.skip(f"{name} reads no history")
    model = build(name, history=history)
    parts = parts_of_layers(model)
    inside = {id(layer) for part in parts for layer in part.modules()}
    of_histories = {id(layer) for m in model.modules() if isinstance(m, HistoryEncoder) for layer in m.modules()}

    assert not any(isinstance(m, StackedEmbedding | HistoryEncoder) for part in parts for m in part.modules())
    outside = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and id(m) not in inside | of_histories]
    assert outside == []


@pytest.mark.parametrize("tasks", ["shared_bottom", "mmoe"])
@pytest.mark.parametrize("name", ["dcn_v2", "final_mlp", "dlrm"])
def test_wide_layers_compute_in_the_lower_precision_and_outputs_do_not(name: str, tasks: str) -> None:
    model = build(name, tasks=tasks).train()
    heads = [layer for module in model.modules() if isinstance(module, Head) for layer in module.last_layers()]
    found: dict[str, torch.dtype] = {}
    for place, module in model.named_modules():
        if isinstance(module, nn.Linear):

            def note(layer: nn.Module, given: Any, output: Tensor, place: str = place) -> None:
                found[place] = output.dtype

            module.register_forward_hook(note)
    with Precision("bf16").applied(model):
        model(Batch.of(random_rows(ranking_inputs(), 9)))

    names = {id(module): place for place, module in model.named_modules()}
    assert {found[names[id(layer)]] for layer in heads} == {torch.float32}
    wide = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and m.out_features >= 16]
    assert wide
    assert {found[place] for place in wide} == {torch.bfloat16}
