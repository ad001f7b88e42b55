"""Names of metrics: what they mean, and what each mistake is told."""

from __future__ import annotations

import pytest

from shortlist.core.errors import UserError
from shortlist.metrics._names import METRICS, parse


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("ndcg@10", ("ndcg", 10)),
        ("recall@100", ("recall", 100)),
        (" precision@5 ", ("precision", 5)),
        ("map@12", ("average_precision", 12)),
        ("average_precision@12", ("average_precision", 12)),
        ("hit@10", ("hit_rate", 10)),
        ("mrr@20", ("reciprocal_rank", 20)),
        ("coverage@10", ("coverage", 10)),
        ("novelty@10", ("novelty", 10)),
        ("auc", ("auc", None)),
        ("log_loss", ("log_loss", None)),
        ("calibration_error", ("calibration_error", None)),
        ("r2", ("r2", None)),
        ("accuracy", ("accuracy", None)),
    ],
)
def test_parses(text: str, parsed: tuple[str, int | None]) -> None:
    assert parse(text) == parsed


def test_every_metric_of_the_catalogue_has_a_name_that_parses_one_way_only() -> None:
    for name in METRICS:
        accepted = []
        for text in (name, f"{name}@10"):
            try:
                accepted.append(parse(text)[0])
            except UserError:
                continue
        assert accepted == [name]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ndgc@10", "`ndgc@10`: no metric is called `ndgc`. Did you mean `ndcg`?"),
        ("NDCG@10", "`NDCG@10`: no metric is called `NDCG`. Did you mean `ndcg`?"),
        ("logloss", "`logloss`: no metric is called `logloss`. Did you mean `log_loss`?"),
        ("hits@10", "`hits@10`: no metric is called `hits`. Did you mean `hit`?"),
        ("auc@10", "`auc@10`: auc is measured over all rows and takes no cut-off. Write `auc`."),
        ("auc@", "`auc@`: auc is measured over all rows and takes no cut-off. Write `auc`."),
    ],
)
def test_says_what_is_wrong(text: str, says: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(text)
    assert str(raised.value) == says


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("map", "found none"),
        ("map@", "found ``"),
        ("map@0", "found `0`"),
        ("map@-1", "found `-1`"),
        ("map@ten", "found `ten`"),
        ("map@1e2", "found `1e2`"),
        ("map@10@20", "found `10@20`"),
    ],
)
def test_a_metric_of_lists_needs_a_cut_off(text: str, found: str) -> None:
    with pytest.raises(UserError) as raised:
        parse(text)
    assert str(raised.value) == (
        f"`{text}`: map is measured over the first k of a list and needs k, a whole number from 1; {found}. "
        "Write, for instance, `map@10`."
    )


def test_an_unknown_name_unlike_any_is_shown_all_there_are() -> None:
    with pytest.raises(UserError, match=r"no metric is called `zzz`\. There is: accuracy, auc, average_.*recall"):
        parse("zzz@5")
