"""Which parts of a model are compiled, that names stay, and that the result does."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from shortlist.core.errors import EnvironmentFault
from shortlist.models.catalogue import ranking_model, retrieval_model
from shortlist.recipe.training import Model
from shortlist.testing.inputs import candidate_inputs, query_inputs, ranking_inputs
from shortlist.training.compiled import compile_layers
from shortlist.training.layers import parts_of_layers
from shortlist.training.precision import Precision
from tests.training.fitted import STEPS, Task, run

CPU = torch.device("cpu")
# torch 2.13's compiler uses torch's own deprecated decorator, and looks for gradients where there are none.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]


def names(model: nn.Module) -> list[str]:
    parts = {id(part) for part in parts_of_layers(model)}
    return [name for name, module in model.named_modules() if id(module) in parts]


@pytest.mark.parametrize("name", ["wide_deep", "deepfm"])
def test_the_layers_of_a_ranker_are_its_network(name: str) -> None:
    assert names(ranking_model(Model(name=name), ranking_inputs())) == ["deep", "head"]


def test_the_layers_of_a_retrieval_model_are_its_towers() -> None:
    model = retrieval_model(Model(name="two_tower"), query_inputs(), candidate_inputs())

    assert names(model) == ["query_tower", "candidate_tower"]


@pytest.mark.slow
def test_parameters_keep_their_names() -> None:
    model = ranking_model(Model(name="wide_deep"), ranking_inputs())
    before = list(model.state_dict())
    compile_layers(model, CPU)

    assert list(model.state_dict()) == before


def test_without_a_compiler_it_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    monkeypatch.setenv("CXX", "no-such-c++")

    with pytest.raises(EnvironmentFault, match=r"needs a C\+\+ compiler, and there is no no-such-c\+\+ here"):
        compile_layers(Task().model, CPU)


class Varying(Task):
    """Batches of several sizes."""

    def steps(self, epoch: int, start: int = 0) -> Iterator[tuple[int, Tensor]]:
        """Ids of each batch."""
        for number in range(start, STEPS):
            rows = self.batch - number
            yield rows, self.ids(epoch, number)[:rows]


def varying(compiled: bool) -> Varying:
    """Without dropout, which draws other numbers when it is compiled."""
    task = Varying()
    task.model.deep = nn.Sequential(*(part for part in task.model.deep if not isinstance(part, nn.Dropout)))
    if compiled:
        compile_layers(task.model, CPU)
    return task


@pytest.mark.slow
def test_what_is_compiled_trains_to_nearly_the_same(tmp_path: Path) -> None:
    """Fused operations round otherwise."""
    losses = [run(varying(compiled), tmp_path / str(compiled))[0]["train_loss"] for compiled in (False, True)]

    assert losses[1] == pytest.approx(losses[0], abs=1e-5)


@pytest.mark.slow
def test_what_is_compiled_computes_nearly_the_same_in_bf16() -> None:
    """Of the same weights.

    Trained apart they part: a bias before a batch norm has gradients that cancel, and AdamW makes whole steps of what
    rounding leaves. An epoch's loss was .7705 in fp32, .7684 in bf16 and .7634 in compiled bf16.
    """
    losses = []
    for compiled in (False, True):
        task = varying(compiled)
        task.model.train()
        with Precision("bf16").applied(task.model), torch.no_grad():
            losses.append(task.loss(next(iter(task.steps(0)))[1]).item())

    assert losses[1] == pytest.approx(losses[0], abs=1e-3)
