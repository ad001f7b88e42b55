"""A new user after three clicks, asked for through HTTP, beside what everybody likes.

Legend: U users, K list positions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from benchmarks.accuracy_cold import FORGETFUL, Asked, World, trained, trainings
from benchmarks.accuracy_data import movielens_files
from benchmarks.harness import Goal, Options, all_met, at_least
from benchmarks.load import closed_loop
from benchmarks.result import Result
from benchmarks.serve_soak import items_of
from benchmarks.served import serve
from shortlist.bundle.recommender import Recommender
from shortlist.metrics._interval import mean_interval
from shortlist.metrics._names import METRICS

DESCRIPTION = "held-out new users of MovieLens-1M after three clicks: the service's lists beside the most popular films"
UNIT = "NDCG@10 of held-out users who told of three clicks and nothing else"
CLICKS, N = 3, 10
METRIC = "ndcg"
FOLDS = 5
"""Tenths of the users that are held out in turn. One is too few to tell: a list of ten says little of one user."""


def run(options: Options) -> Result:
    """Train without a tenth of the users, serve that bundle, and ask for them; then without another tenth."""
    files = movielens_files(options)
    base = trainings(files, options)
    parts = [_of_fold(World.of(files, options, fold), base / f"fold-{fold}", options) for fold in _folds(options)]
    told_U, popular_U = (np.concatenate(part) for part in zip(*parts, strict=True))
    found = {
        "three clicks": mean_interval(told_U).as_dict(),
        "popularity": mean_interval(popular_U).as_dict(),
        "difference, user by user": mean_interval(told_U - popular_U).as_dict(),
    }
    goals = {} if options.quick else goals_of(found)
    return Result(
        name="serve_newcomers",
        passed=all_met(goals),
        unit=UNIT,
        ours=float(told_U.mean()),
        peers={"popularity": float(popular_U.mean())},
        ratio=float(told_U.mean() / max(popular_U.mean(), 1e-9)),
        goals=goals,
        details={
            "ndcg@10": found,
            "users": len(told_U),
            "how": f"Retrieval of recipes/movielens_1m.toml, trained {FOLDS} times, each time without another tenth of "
            "the users, who are then asked for. A request has their last three ratings before the time at which they "
            "are asked for, no user id and no features. What they rated before is left out of both lists. Intervals "
            "are 95 %, over users.",
        },
    )


def _folds(options: Options) -> range:
    return range(1 if options.quick else FOLDS)


def _of_fold(world: World, base: Path, options: Options) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """metric_U of the service's lists and of the most popular items, of one tenth of the users."""
    recommender = trained(world, base, FORGETFUL, options, whole=False)
    asked = Asked.of(world, world.new_users, new_items=False)
    told_U = values(asked, lists_of_service(asked, recommender, options))
    return told_U, values(asked, popular_lists(asked, recommender))


def goals_of(found: dict[str, dict[str, Any]]) -> dict[str, Goal]:
    """Better, and by more than chance."""
    return {"lower end of the difference to popularity": at_least(0.0, found["difference, user by user"]["low"])}


def lists_of_service(asked: Asked, recommender: Recommender, options: Options) -> list[list[Any]]:
    """Of each user the items that a server of the bundle answers."""
    found: dict[int, list[Any]] = {}

    def keep(number: int, code: str, body: bytes) -> None:
        if code != "200":
            raise RuntimeError(f"the service answered {code}: {body[:300]!r}")
        found[number] = items_of(body)

    with serve(recommender.bundle.path, options.folder("logs") / "serve-newcomers.log") as served:
        requests = [served.target.post("/v1/recommend", body) for body in bodies(asked)]
        closed_loop(served.target, requests, len(requests), connections=4, answered=keep)
    return [found[number] for number in range(len(requests))]


def bodies(asked: Asked) -> list[bytes]:
    """What a page sends for somebody who has clicked three times."""
    return [
        orjson.dumps(
            {
                "history": [{"item": event.item, "time": event.time} for event in events[-CLICKS:]],
                "context": {"timestamp": time},
                "exclude": [event.item for event in events],
                "n": N,
            }
        )
        for events, time in zip(asked.before, asked.time_U, strict=True)
    ]


def popular_lists(asked: Asked, recommender: Recommender) -> list[list[Any]]:
    """Of each user the most popular items that are not left out."""
    requests = recommender.requests(
        [None] * len(asked.users), exclude=[[event.item for event in events] for events in asked.before]
    )
    found = recommender.run(requests, N, "popularity")
    keys = recommender.bundle.item_keys.take(pa.array(found.item_UK.ravel())).to_numpy(zero_copy_only=False)
    lists: list[list[Any]] = keys.reshape(found.item_UK.shape).tolist()
    return lists


def values(asked: Asked, lists: list[list[Any]]) -> npt.NDArray[Any]:
    """metric_U of the lists."""
    hits_UK = np.zeros((len(lists), N), bool)
    for hits_K, items, truth in zip(hits_UK, lists, asked.truth, strict=True):
        hits_K[: len(items)] = [item in truth for item in items]
    relevant_U = np.array([len(truth) for truth in asked.truth])
    found_U: npt.NDArray[Any] = METRICS[METRIC](hits_UK, relevant_U, N)
    return found_U
