"""Item-kNN, EASE and ALS beside implicit and RecTools: the same split, fitting, recommending to all users."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy_data import VARIABLE
from benchmarks.classical_data import ndcg, write_log
from benchmarks.contestant import Field
from benchmarks.harness import Goal, Options, Rounds, all_met, at_least, interleaved, say
from benchmarks.result import Result

DESCRIPTION = "item-kNN, EASE and ALS: NDCG@20, fitting and recommending to all users beside implicit and RecTools"
UNIT = "users per CPU-second, one thread"
PEERS = {"implicit": "classical_implicit", "RecTools": "classical_rectools"}
SIZE, QUICK_SIZE = (138_000, 26_700, 20_000_000), (400, 200, 8_000)
"""Users, items and events of the generated log: as many as MovieLens-20M has."""
MODELS = {
    "movielens-1m": ("item-kNN, cosine", "item-kNN, BM25", "EASE", "ALS"),
    # EASE over 41,000 items takes 6.3 GiB and a quarter of an hour for each contestant and round.
    "gowalla": ("item-kNN, cosine", "item-kNN, BM25", "ALS"),
    "generated": ("ALS",),
}
K = 20
ROUNDS = 5
WITHIN = 0.99
"""Of the best peer's NDCG."""
SHOWN = ("movielens-1m", "ALS")
"""What the one figure of the result is of."""


class Case:
    """One model on one log: rounds of fitting, each by a seed of its own, of recommending, and the lists' quality."""

    def __init__(self, field: Field, folder: Path, model: str, names: list[str], seeds: Sequence[int]) -> None:
        lists = {(name, seed): folder / f"{name}-{seed}.npy" for name in names for seed in seeds}

        def fit(name: str, seed: int) -> float:
            return field.there[name].rate("fit", model=model, seed=seed)

        def recommend(name: str, seed: int) -> float:
            file = str(lists[name, seed])
            return field.there[name].rate("recommend", model=model, seed=seed, k=K, file=file)

        self.fit = _by_seeds(fit, names, seeds)
        self.recommend = _by_seeds(recommend, list(self.fit.values), seeds)
        test_P2 = np.load(folder / "test.npy")
        self.by_seed = {
            name: [ndcg(np.load(lists[name, seed]), test_P2) for seed in seeds] for name in self.recommend.values
        }
        self.quality = {name: statistics.fmean(values) for name, values in self.by_seed.items()}

    def goals(self, what: str) -> dict[str, Goal]:
        """As good as the best peer, and as fast."""
        found = {
            f"{what}: NDCG@{K}, times the best peer": (WITHIN, over_best(self.quality)),
            f"{what}: fit, times the best peer": (1.0, over_best(self.fit.medians())),
            f"{what}: recommend, times the best peer": (1.0, over_best(self.recommend.medians())),
        }
        return {name: at_least(asked, ratio) for name, (asked, ratio) in found.items() if ratio is not None}

    def figures(self) -> dict[str, dict[str, Any]]:
        """Of every contestant."""
        return {
            name: {
                f"ndcg@{K}": self.quality[name],
                "fit_events_per_cpu_s": self.fit.median(name),
                "recommend_users_per_cpu_s": self.recommend.median(name),
                "rounds": {
                    f"ndcg@{K}": self.by_seed[name],
                    "fit": self.fit.values[name],
                    "recommend": self.recommend.values[name],
                },
            }
            for name in self.quality
        }


def _by_seeds(do: Callable[[str, int], float], names: Sequence[str], seeds: Sequence[int]) -> Rounds:
    """A round for each seed; the contestants take turns."""

    def turn(name: str) -> Callable[[], float]:
        left = iter(seeds)
        return lambda: do(name, next(left))

    return interleaved({name: turn(name) for name in names}, len(seeds))


def over_best(values: Mapping[str, float]) -> float | None:
    """Ours over the best peer's; None where there is none."""
    best = max((values[name] for name in PEERS if name in values), default=None)
    return values["ours"] / best if best and "ours" in values else None


def run(options: Options) -> Result:
    """Every log that is there, every model, in rounds taken in turn."""
    cases: dict[tuple[str, str], Case] = {}
    with Field(options) as field:
        field.add("ours", "benchmarks.classical_ours", {})
        for name, peer in PEERS.items() if not options.quick else ():
            field.add(name, f"benchmarks.peers.{peer}", {}, peer=peer)
        for log in ("generated",) if options.quick else MODELS:
            cases |= _of_log(field, log, options)
        versions = field.ask_all("versions", list(field.there))
    goals = {} if options.quick else _goals(cases)
    shown = cases.get(SHOWN) or next(iter(cases.values()))
    rates: Rounds = shown.recommend
    return Result(
        name="classical",
        passed=all_met(goals),
        unit=UNIT,
        ours=rates.median("ours"),
        peers={
            name: rates.median(name) if name in rates.values else field.absent.get(name, "not asked") for name in PEERS
        },
        ratio=over_best(rates.medians()),
        goals=goals,
        details={
            "case": "recommending to all users of MovieLens-1M by ALS",
            "cases": {
                f"{log}, {model}: {name}": figures
                for (log, model), case in cases.items()
                for name, figures in case.figures().items()
            },
            "peers_versions": versions,
            "how": f"One thread each, {ROUNDS} rounds in turn, each fitted from a random start of its own where there "
            "is one; NDCG is the mean of the rounds. Ours finds each user's factors from the history, as it "
            "would for a new user; implicit and RecTools look up those that the fit left.",
        },
    )


def _of_log(field: Field, log: str, options: Options) -> dict[tuple[str, str], Case]:
    folder = options.folder(f"classical/{log}-{options.seed}{'-quick' if options.quick else ''}")
    data = options.data or (Path(os.environ[VARIABLE]) if VARIABLE in os.environ else None)
    if not write_log(log, data, QUICK_SIZE if options.quick else SIZE, options.seed, folder):
        say(f"{log}: not measured: say where it is with --data DATA, or {VARIABLE}=DATA")
        return {}
    can = field.ask_all("open", list(field.there), folder=str(folder))
    cases = {}
    for model in MODELS[log]:
        say(f"{log}, {model}")
        names = [name for name, found in can.items() if model in found["models"]]
        seeds = range(options.seed, options.seed + (1 if options.quick else ROUNDS))
        cases[log, model] = Case(field, folder, model, names, seeds)
    return cases


def _goals(cases: Mapping[tuple[str, str], Case]) -> dict[str, Goal]:
    return {name: goal for (log, model), case in cases.items() for name, goal in case.goals(f"{log}, {model}").items()}
