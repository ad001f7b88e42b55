"""Positives and their negatives in a batch: who is whose negative, what the loss estimates, and that it can be learned.

Legend: P rows, C distinct items.
"""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from shortlist.core.errors import DataError, UserError
from shortlist.data.loader import Gather
from shortlist.data.prepared import Prepared
from shortlist.models.base import RetrievalModel
from shortlist.nn.batch import Batch
from shortlist.nn.resident import collect_on
from shortlist.recipe.retrieval import Retrieval
from shortlist.schema import Split, Target, TargetKind
from shortlist.training import contrast as module
from shortlist.training.contrast import Contrast, Drawn
from shortlist.training.retrieval import RetrievalTask
from shortlist.training.stages import build_retrieval
from tests.evaluation import toy

CPU = torch.device("cpu")
USERS, ITEMS = 20, 9
DOT = {"name": "matrix_factorization", "dim": 3, "similarity": "dot", "id_dropout": 0.0, "embedding_std": 0.7}
COSINE = {**DOT, "similarity": "cosine", "temperature": 0.3}
ITEM_P = np.array([1, 4, 1, 2, 4, 7], np.int32)
USER_P = np.array([3, 3, 5, 8, 9, 9], np.int32)
WEIGHT_P = np.array([1, 1, 2, 1, 0.5, 1], np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Users like the items near their own number; the last event is of validation."""
    random = np.random.default_rng(0)
    events = []
    for user in range(1, USERS + 1):
        items = [
            (user + int(step)) % 5 + 1 if random.random() < 0.8 else int(random.integers(1, ITEMS + 1))
            for step in range(7)
        ]
        for time, item in enumerate(items):
            split = Split.VALID if time == 6 else Split.TRAIN
            events.append(toy.Event(user, item, time, split, float(item < 6)))
    return toy.prepared(tmp_path_factory.mktemp("contrast"), events, USERS, ITEMS)


def settings(**values: Any) -> Retrieval:
    return Retrieval.model_validate({"model": DOT, "history": 0, "batch_size": 16, **values})


def built(data: Prepared, seed: int = 0, **values: Any) -> tuple[RetrievalModel, Contrast]:
    torch.manual_seed(0)
    chosen = settings(**values)
    model = build_retrieval(data, chosen)
    return model, Contrast(model, data.item_positive_count, chosen, Gather(data, 0, collect=collect_on(CPU)), seed, CPU)


def drawn_of(contrast: Contrast, epoch: int = 0, batch: int = 0) -> Drawn:
    return contrast.draw(ITEM_P, USER_P, np.arange(len(ITEM_P)), WEIGHT_P, epoch=epoch, batch=batch)


def queries(rows: int = len(ITEM_P)) -> Tensor:
    return torch.randn(rows, 3, generator=torch.Generator().manual_seed(5))


def scores(model: RetrievalModel, data: Prepared, query_PD: Tensor) -> npt.NDArray[np.float64]:
    """score_PI over the whole item table."""
    with torch.no_grad():
        vectors_ID = model.candidate(Batch.of(data.items.take(np.arange(ITEMS + 1))))
        return np.asarray((query_PD @ vectors_ID.T).double().numpy())


def chosen_by(row: int, masked: str) -> set[int]:
    own = [int(i) for i, u in zip(ITEM_P, USER_P, strict=True) if u == USER_P[row]]
    return set(own) if masked == "user" else {int(ITEM_P[row])}


def weighted(loss_P: list[float]) -> float:
    return float(np.average(loss_P, weights=WEIGHT_P))


@pytest.mark.parametrize("masked", ["user", "item"])
@pytest.mark.parametrize("source", ["catalogue", "in_batch"])
def test_softmax_equals_the_loop(data: Prepared, source: str, masked: str) -> None:
    model, contrast = built(data, negatives={"source": source, "masked": masked})
    score_PI = scores(model, data, queries())
    count_I = data.item_positive_count.clip(1)
    share_I = count_I / count_I[1:].sum()
    expected = []
    for row, item in enumerate(ITEM_P):
        pool = range(1, ITEMS + 1) if source == "catalogue" else set(ITEM_P.tolist())
        others = set(pool) - chosen_by(row, masked)
        likely = {i: 1.0 if source == "catalogue" else 1 - (1 - share_I[i]) ** (len(ITEM_P) - 1) for i in others}
        total = sum(math.exp(score_PI[row, i]) / likely[i] for i in others) + math.exp(score_PI[row, item])
        expected.append(math.log(total) - score_PI[row, item])

    found = contrast.loss(queries(), drawn_of(contrast))
    assert found.item() == pytest.approx(weighted(expected), rel=1e-5)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("hard", [0, 2])
def test_negatives_of_bpr_are_drawn_and_no_positives(data: Prepared, shared: bool, hard: int) -> None:
    """The loop compares each row with the items that were drawn for it, or with the highest two of them."""
    negatives = {"source": "popularity", "count": 5, "shared": shared, "hard": hard}
    model, contrast = built(data, loss="bpr", negatives=negatives)
    drawn = drawn_of(contrast)
    score_PI = scores(model, data, queries())
    # The toy's items have their own number as their id's row.
    id_C = drawn.items.ids_BF[:, 0].numpy() - data.schema.column("item.id").offset
    expected = []
    for row, item in enumerate(ITEM_P):
        if isinstance(drawn.negatives, module._ForAll):
            pool = id_C[drawn.negatives.first :].tolist()
        else:
            pool = id_C[drawn.negatives.item_PM[row].numpy()].tolist()
            assert len(pool) == 5
        others = sorted((score_PI[row, i] for i in pool if i not in chosen_by(row, "user")), reverse=True)
        pairs = [math.log(1 + math.exp(other - score_PI[row, item])) for other in others[: hard or None]]
        expected.append(sum(pairs) / max(len(pairs), 1))

    assert contrast.loss(queries(), drawn).item() == pytest.approx(weighted(expected), rel=1e-5)


SAMPLES = [
    {"source": "uniform", "count": 3},
    {"source": "popularity", "count": 3},
    {"source": "uniform", "count": 3, "shared": False},
    {"source": "popularity", "count": 4, "alpha": 1.0, "shared": False},
    {"source": "mixed", "count": 2},
    {"source": "in_batch"},
]


@pytest.mark.parametrize("negatives", SAMPLES, ids=str)
def test_what_is_drawn_estimates_the_softmax_over_the_catalogue(data: Prepared, negatives: dict[str, Any]) -> None:
    """The inverse of a positive's share is a sum over negatives, and its mean over many draws that over all of them."""
    times, rows = 250, 4
    query_D = queries(1)
    model, contrast = built(data, negatives={**negatives, "masked": "item"})
    score_I = scores(model, data, query_D)[0]
    count_I = data.item_positive_count.clip(1).astype(float)
    count_I[0] = 0
    random = np.random.default_rng(1)
    found = np.zeros(times)
    with torch.no_grad():
        for time in range(times):
            item_P = np.append(4, random.choice(ITEMS + 1, rows, p=count_I / count_I.sum())).astype(np.int32)
            weight_P = np.array([1, 0, 0, 0, 0], np.float32)
            every_P = np.arange(rows + 1)
            drawn = contrast.draw(item_P, every_P.astype(np.int32), every_P, weight_P, epoch=0, batch=time)
            found[time] = math.exp(contrast.loss(query_D.repeat(rows + 1, 1), drawn).item())

    exact = np.exp(score_I[1:]).sum() / math.exp(score_I[4])
    assert abs(found.mean() - exact) < 4 * found.std() / math.sqrt(times)


def test_the_expected_gradient_nears_that_over_the_catalogue(data: Prepared) -> None:
    """The more are drawn, the nearer: of nine items with 400 draws all are there."""

    def gradient(negatives: Any, times: int) -> Tensor:
        _, contrast = built(data, negatives=negatives)
        total_PD = torch.zeros(len(ITEM_P), 3)
        for batch in range(times):
            query_PD = queries().requires_grad_()
            contrast.loss(query_PD, drawn_of(contrast, batch=batch)).backward()
            assert query_PD.grad is not None
            total_PD += query_PD.grad / times
        return total_PD

    exact = gradient("catalogue", 1)
    for negatives in ({"source": "popularity", "count": 400}, {"source": "uniform", "count": 400, "shared": False}):
        torch.testing.assert_close(gradient(negatives, 10), exact, atol=0.03, rtol=0)
    torch.testing.assert_close(gradient({"source": "uniform", "count": ITEMS}, 1), exact)
    uncorrected = gradient({"source": "popularity", "count": 400, "shared": False, "logq": 0.0}, 10)
    assert (uncorrected - exact).abs().max() > 0.1


@pytest.mark.parametrize(
    "values",
    [{"negatives": "catalogue"}, {"loss": "bpr", "negatives": {"source": "uniform", "count": 3, "shared": False}}],
    ids=str,
)
def test_some_rows_at_a_time_are_all_of_them(
    data: Prepared, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for chunk, rows in ((module.CHUNK, len(ITEM_P)), (20, 2)):
        monkeypatch.setattr(module, "CHUNK", chunk)
        monkeypatch.setattr(module, "ROWS", rows)
        assert min(module._rows_at_once(ITEMS, CPU), len(ITEM_P)) == rows
        model, contrast = built(data, **values)
        query_PD = queries().requires_grad_()
        loss = contrast.loss(query_PD, drawn_of(contrast))
        (2 * loss).backward()
        table = dict(model.named_parameters())["items.table.weight"]
        found.append((loss.detach(), query_PD.grad, table.grad))

    for one, other in pairwise(found):
        for whole, parts in zip(one, other, strict=True):
            assert whole is not None
            torch.testing.assert_close(parts, whole)


@pytest.mark.parametrize(("width", "rows"), [(3_416, 306), (12_101, 128), (40_981, 102), (2**22, 1), (10**7, 1)])
def test_scores_fill_a_cache_and_products_are_not_of_few_rows(width: int, rows: int) -> None:
    assert module._rows_at_once(width, CPU) == rows


@pytest.mark.parametrize("negatives", SAMPLES[:5], ids=str)
def test_a_draw_follows_from_seed_epoch_and_batch(data: Prepared, negatives: dict[str, Any]) -> None:
    def losses(seed: int, epoch: int, start: int) -> list[float]:
        _, contrast = built(data, seed, negatives=negatives)
        return [contrast.loss(queries(), drawn_of(contrast, epoch, batch)).item() for batch in range(start, 6)]

    whole = losses(0, 0, 0)
    assert len(set(whole)) > 1
    assert losses(0, 0, 3) == whole[3:]
    assert losses(1, 0, 0) != whole
    assert losses(0, 1, 0) != whole


TRAINABLE = [
    *(
        {"loss": "softmax", "negatives": source}
        for source in ("in_batch", "uniform", "popularity", "mixed", "catalogue")
    ),
    {"loss": "softmax", "negatives": {"source": "mixed", "count": 5, "hard": 2}},
    {"loss": "softmax", "negatives": {"source": "uniform", "count": 4, "shared": False}},
    {"loss": "bpr", "negatives": "in_batch"},
    {"loss": "bpr", "negatives": {"source": "popularity", "count": 2, "shared": False}},
    {"loss": "gbce", "negatives": {"source": "uniform", "count": 4}},
    {"loss": "gbce", "negatives": "catalogue"},
    {
        "loss": "ccl",
        "model": COSINE,
        "ccl_margin": 0.3,
        "ccl_weight": 4,
        "negatives": {"source": "uniform", "count": 6},
    },
    {"loss": "log_loss"},
]


@pytest.mark.parametrize("values", TRAINABLE, ids=str)
def test_every_loss_over_every_source_is_learned(data: Prepared, values: dict[str, Any]) -> None:
    chosen = settings(**values)
    torch.manual_seed(0)
    task = RetrievalTask(build_retrieval(data, chosen), data, toy.recipe(retrieval=chosen.model_dump()), chosen, CPU)
    optimiser = torch.optim.Adam(task.model.parameters(), 0.03)
    curve = []
    for _ in range(15):
        losses = []
        # Every time the first epoch's batches and draws, so that losses can be compared.
        for _, step in task.steps(0):
            optimiser.zero_grad()
            loss = task.loss(step)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        curve.append(sum(losses))

    assert curve[-1] < 0.9 * curve[0]
    task.model.eval()
    with torch.inference_mode():
        assert 0 <= task.validate()[task.metric or ""] <= 1


def test_without_weight_or_negatives_nothing_is_learned(data: Prepared) -> None:
    _, contrast = built(data, negatives="in_batch")
    nothing, ones = np.zeros(len(ITEM_P), np.float32), np.ones(3, np.float32)
    same = np.full(3, 7, np.int32)
    for item_P, user_P, weight_P in ((ITEM_P, USER_P, nothing), (same, np.arange(3, dtype=np.int32), ones)):
        query_PD = queries(len(item_P)).requires_grad_()
        drawn = contrast.draw(item_P, user_P, np.arange(len(item_P)), weight_P, epoch=0, batch=0)
        loss = contrast.loss(query_PD, drawn)
        loss.backward()

        assert loss.item() == 0
        assert query_PD.grad is not None
        assert not query_PD.grad.any()


def test_ccl_is_of_cosines(data: Prepared) -> None:
    with pytest.raises(UserError, match=r'Set retrieval\.model\.similarity = "cosine"'):
        built(data, loss="ccl")


def test_log_loss_is_not_for_what_is_contrasted(data: Prepared) -> None:
    with pytest.raises(UserError, match="learns from rows one by one"):
        built(data, loss="log_loss")


def test_log_loss_equals_the_loop(data: Prepared) -> None:
    chosen = settings(loss="log_loss", batch_size=200)
    task = RetrievalTask(build_retrieval(data, chosen), data, toy.recipe(retrieval=chosen.model_dump()), chosen, CPU)
    ((rows, step),) = task.steps(0)
    (shard,) = data.shards
    train = shard.split == Split.TRAIN
    with torch.no_grad():
        user_BD = task.model.query(Batch.of(data.users.take(shard.user[train])))
    score_BI = scores(task.model, data, user_BD)
    score_B, liked_B = score_BI[np.arange(len(score_BI)), shard.item[train]], shard.targets_nT[train, 0]

    assert rows == train.sum() == len(score_B)
    assert 0 < liked_B.sum() < len(liked_B)
    expected = np.mean(np.log1p(np.exp(-score_B)) * liked_B + np.log1p(np.exp(score_B)) * (1 - liked_B))
    assert task.loss(step).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("targets", "liked", "said"),
    [
        ((), 0.0, "has no targets"),
        ((Target(name="stars", kind=TargetKind.REGRESSION),), 0.0, "`stars` is a regression target"),
        (toy.LIKED, 1.0, "`liked` is above 0 in all"),
    ],
)
def test_log_loss_needs_labels_that_differ(
    tmp_path: Path, targets: tuple[Target, ...], liked: float, said: str
) -> None:
    events = [toy.Event(u, i, i, Split.VALID if i == 4 else Split.TRAIN, liked) for u in (1, 2) for i in range(1, 5)]
    prepared = toy.prepared(tmp_path, events, 2, 4, targets=targets)
    chosen = settings(loss="log_loss")
    with pytest.raises(DataError, match=said):
        RetrievalTask(build_retrieval(prepared, chosen), prepared, toy.recipe(), chosen, CPU)
