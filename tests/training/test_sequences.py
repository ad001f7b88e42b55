"""Sequence models in training: they learn what follows what, and an interrupted fit goes on to the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shortlist.core.errors import DataError, UserError
from shortlist.core.progress import Silent
from shortlist.data.prepared import Prepared
from shortlist.models.base import SequenceModel
from shortlist.schema import Split
from shortlist.training.checkpoint import Checkpoints
from shortlist.training.contrast import _ForAll
from shortlist.training.fit import fit
from shortlist.training.optimisers import build_optimisers
from shortlist.training.precision import Precision
from shortlist.training.sequences import SequenceStep, SequenceTask
from shortlist.training.stages import build_retrieval
from tests.evaluation import toy

USERS, ITEMS, LENGTH = 30, 40, 5
NAMES = ["sasrec", "gru4rec"]
ADAM = {"name": "adamw", "lr": 0.02}


def prepared(folder: Path, events: list[toy.Event] | None = None) -> Prepared:
    """Every user goes through the items in their order, each from another one on, more steps than a window holds."""
    circle = [
        toy.Event(user, (user + step) % ITEMS + 1, step, Split.TRAIN if step < 12 else Split.VALID)
        for user in range(1, USERS + 1)
        for step in range(13)
    ]
    return toy.prepared(folder, circle if events is None else events, USERS, ITEMS)


def task(data: Prepared, name: str = "sasrec", **retrieval: Any) -> SequenceTask:
    """A fresh model of the same seed with its task."""
    model = {"name": name, "embedding_dim": 16, "dropout": 0.0, **retrieval.pop("model", {})}
    settings = {
        "model": model,
        "history": LENGTH,
        "batch_size": 16,
        "negatives": {"source": "catalogue"},
        "embedding": ADAM,
        "dense": ADAM,
        "epochs": 12,
        "patience": 12,
        **retrieval,
    }
    recipe = toy.recipe(retrieval=settings)
    assert recipe.retrieval is not None
    torch.manual_seed(0)
    built = build_retrieval(data, recipe.retrieval)
    assert isinstance(built, SequenceModel)
    return SequenceTask(built, data, recipe, recipe.retrieval, torch.device("cpu"))


def run(of: SequenceTask, folder: Path, seconds: float = 1e9) -> list[dict[str, Any]]:
    """Fit it, or go on with it."""
    checkpoints = Checkpoints(folder, {}, seconds, Silent(), of.name)
    groups = {"embedding": of.settings.embedding, "dense": of.settings.dense}
    optimisers = build_optimisers(of.model, groups)  # type: ignore[arg-type]
    return fit(of, optimisers, of.settings, Silent(), checkpoints, Precision())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepared(tmp_path_factory.mktemp("data"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_learns_what_follows_what(data: Prepared, name: str, tmp_path: Path) -> None:
    history = run(task(data, name), tmp_path)

    assert history[-1]["train_loss"] < history[0]["train_loss"] / 2
    # One item is asked for of each user, in lists of four.
    assert max(entry["valid"]["recall@4"] for entry in history) > 0.9


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "gbce", "gbce_t": 0.0, "negatives": {"source": "uniform", "count": 1, "shared": False}},
        {"loss": "gbce", "negatives": {"source": "uniform", "count": 8, "shared": False}},
        {"loss": "bpr", "negatives": {"source": "popularity", "count": 8}},
        {"negatives": {"source": "mixed", "count": 8}},
        {"negatives": "in_batch"},
    ],
)
def test_every_kind_of_negatives_lowers_its_loss(data: Prepared, settings: dict[str, Any], tmp_path: Path) -> None:
    history = run(task(data, **settings, epochs=4), tmp_path)

    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_a_loss_of_single_rows_is_refused(data: Prepared) -> None:
    with pytest.raises(UserError, match="log_loss"):
        task(data, loss="log_loss", negatives={})


class Interrupted(Exception):
    """What stops a fit here."""


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_fit_goes_on_to_the_same_bits(data: Prepared, name: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 2, "model": {"dropout": 0.3}, "buckets": True, "negatives": "uniform"}
    whole = task(data, name, **settings)
    run(whole, tmp_path / "whole")
    # A task begins with torch's random state as it was before.
    cut = task(data, name, **settings)
    steps = cut.steps

    def interrupted(epoch: int, start: int = 0) -> Iterator[tuple[int, SequenceStep]]:
        for number, step in enumerate(steps(epoch, start), start):
            if (epoch, number) == (1, 2):
                raise Interrupted
            yield step

    cut.steps = interrupted  # type: ignore[method-assign]
    with pytest.raises(Interrupted):
        run(cut, tmp_path / "cut", seconds=0)
    torch.manual_seed(99)
    left = task(data, name, **settings)
    run(left, tmp_path / "cut", seconds=0)

    for value, same in zip(left.model.state_dict().values(), whole.model.state_dict().values(), strict=True):
        assert torch.equal(value, same)


def test_the_loss_is_the_mean_over_all_that_is_asked(data: Prepared) -> None:
    """Every event of a window and every user's beginning count once: by hand, one question after another."""
    of = task(data, batch_size=64)
    of.model.eval()
    for rows, (count, step) in zip(of.sequences.batches(64, of.seed, 0), of.steps(0), strict=True):
        with torch.inference_mode():
            candidate_ID = of.model.candidate(of.gather.item(torch.arange(1, ITEMS + 1).numpy()))
            state_ULD, losses = of.model.states(step.events), []
            for p, item in enumerate(rows.item_G.tolist()):
                if p < len(rows.place_P):
                    window, place = divmod(int(rows.place_P[p]), state_ULD.shape[1])
                    query_D = state_ULD[window, place]
                else:
                    query_D = of.model.query(of.nothing)[0]
                losses.append(-(candidate_ID @ query_D).log_softmax(0)[item - 1])
            expected = torch.stack(losses).mean()
        assert count == len(losses)
        torch.testing.assert_close(of.loss(step).detach(), expected)


def test_chances_of_in_batch_negatives_are_those_of_what_is_asked(tmp_path: Path) -> None:
    """Everybody meets item 1 time and again, and is asked for it once: seen items are never recommended."""
    events = [toy.Event(user, 1 if step % 2 else user + step, step) for user in range(1, USERS) for step in range(8)]
    events += [toy.Event(1, ITEMS, 9, Split.VALID)]
    of = task(prepared(tmp_path, events), negatives="in_batch", batch_size=4)
    asked = [rows.item_G for rows in of.sequences.batches(4, of.seed, 0)]
    share_I = np.bincount(np.concatenate(asked), minlength=ITEMS + 1) / of.rows_per_epoch()
    assert share_I[1] < 2 / 8 < 4 / 8
    for item_P, (_, step) in zip(asked, of.steps(0), strict=True):
        expected_N = np.log(1 - (1 - share_I[np.unique(item_P)]) ** (len(item_P) - 1))

        assert isinstance(step.drawn.negatives, _ForAll)
        np.testing.assert_allclose(step.drawn.negatives.log_q_N, expected_N, rtol=0.1)


def test_sessions_of_one_event_train_the_answer_to_nothing(tmp_path: Path) -> None:
    events = [toy.Event(user, 7, 0) for user in range(1, USERS)]
    events += [toy.Event(USERS, 3, 0), toy.Event(USERS, 7, 9, Split.VALID)]
    of = task(prepared(tmp_path, events))
    run(of, tmp_path / "fit")
    with torch.inference_mode():
        query_1D = of.model.query(of.nothing)
        score_I = (of.model.candidate(of.gather.item(torch.arange(1, ITEMS + 1).numpy())) @ query_1D.T)[:, 0]

    assert int(score_I.argmax()) + 1 == 7


def test_a_log_without_anything_to_ask_is_refused(tmp_path: Path) -> None:
    events = [toy.Event(1, 1, step, target=0.0) for step in range(5)] + [toy.Event(1, 2, 9, Split.VALID)]
    with pytest.raises(DataError, match="0 relevant training events"):
        task(prepared(tmp_path, events))
