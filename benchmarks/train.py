"""DeepFM on a synthetic click log: samples a CPU-second and the AUC after one epoch, ours and six frameworks'."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.click_data import click_recipe, prepared_clicks
from benchmarks.click_training import BATCH
from benchmarks.clicks import CARDINALITIES, NUMBERS, TINY, write_clicks
from benchmarks.contestant import Field
from benchmarks.harness import (
    ROUNDS,
    Goal,
    Options,
    Rounds,
    all_met,
    at_least,
    interleaved,
    matrix_rate,
    mebibytes,
    say,
)
from benchmarks.result import Result
from benchmarks.train_mlp import flops
from benchmarks.train_ours import ranking_of

DESCRIPTION = "DeepFM, 13 numbers and 26 categories: samples a CPU-second beside six frameworks, with the AUC of each"
UNIT = "samples per CPU-second, one thread"
DIM = 16
HIDDEN = (400, 400, 400)
AUC_MARGIN = 0.002
"""How far below the best peer's validation AUC ours may be, chosen before anything was measured."""

MLP = "the MLP alone"
OURS = {"ours": "default", "ours, Adam": "adam", "ours, Adagrad": "adagrad"}
"""Name of each of our contestants -> its optimiser."""
PEERS = {
    "DeepCTR-Torch": ("deepctr_torch", "default", "ours, Adam"),
    "DeepCTR-Torch, Adagrad": ("deepctr_torch", "adagrad", "ours, Adagrad"),
    "Torch-RecHub": ("torch_rechub", "default", "ours, Adam"),
    "pytorch-widedeep": ("pytorch_widedeep", "default", "ours, Adam"),
    "FuxiCTR": ("fuxictr", "default", "ours, Adam"),
    "Keras": ("keras_deepfm", "default", "ours, Adam"),
    "Keras, Adagrad": ("keras_deepfm", "adagrad", "ours, Adagrad"),
}
"""Name -> its worker, its optimiser, and which of ours has the same one. Each one's default is Adam at 1e-3."""
TORCH_PEERS = ("DeepCTR-Torch", "Torch-RecHub", "pytorch-widedeep", "FuxiCTR")
KERAS = "Keras"


def run(options: Options) -> Result:
    """Every contestant trains one epoch in rounds taken in turn, then scores the validation rows."""
    train_batches, valid_batches, sizes = (5, 2, TINY) if options.quick else (100, 16, CARDINALITIES)
    hidden = (32,) if options.quick else HIDDEN
    folder = options.folder("clicks") / f"{len(sizes)}-{sum(sizes)}-{train_batches}-{options.seed}"
    say("click log: writing and preparing")
    facts = write_clicks(folder, train_batches * BATCH, valid_batches * BATCH, sizes, options.seed)
    settings = _settings(folder, hidden, options.seed)
    prepared_clicks(folder, click_recipe(folder, NUMBERS, len(sizes), **ranking_of(settings)))
    multiply = _multiply_rate(hidden)
    with Field(options) as field:
        _enter(field, settings, options)
        batches = train_batches // ROUNDS
        rates = interleaved(
            {name: partial(worker.rate, "train", batches=batches) for name, worker in field.there.items()}
        )
        names = list(rates.values)
        # Before the scoring, so that it is the memory of training.
        memory = field.ask_all("memory", names)
        scores = field.ask_all("score", [name for name in names if name != MLP])
        versions = field.ask_all("versions", names)
    absent = {**field.absent, **rates.failed}
    measured = Measured(rates, {name: found["auc"] for name, found in scores.items()}, absent)
    # Of tiny layers the network is next to nothing, and no goal was set for that.
    goals = {} if options.quick else goals_of(measured)
    widths = (NUMBERS + DIM * len(sizes), *hidden, 1)
    peers = {name: measured.rates.get(name, absent.get(name, "not asked")) for name in PEERS}
    return Result(
        name="train",
        passed=all_met(goals),
        unit=UNIT,
        ours=measured.rates["ours"],
        peers=peers if not options.quick else {},
        ratio=measured.ratio("ours", *(name for name in PEERS if PEERS[name][1] == "default")),
        limit=measured.rates.get(MLP),
        goals=goals,
        details={
            "limit_is": "the MLP alone: the same layers with fused Adam in plain torch on one ready matrix",
            "contestants": _rows(measured, memory),
            "best_possible_auc": facts["best_auc"]["valid"],
            "auc_margin": AUC_MARGIN,
            "rounds": rates.values,
            "peers_versions": versions,
            "roofline": {
                "flops_per_sample": flops(widths),
                "matrix_rate_flops_per_s": multiply,
                "samples_per_s_by_flops": multiply / flops(widths),
            },
            "sizes": {
                "numbers": NUMBERS,
                "fields": len(sizes),
                "values": sum(sizes),
                "dim": DIM,
                "hidden": hidden,
                "batch": BATCH,
                "train_rows": facts["rows"]["train"],
                "valid_rows": facts["rows"]["valid"],
            },
            "how": "Each trains by its own public call from data in memory, its own loader and shuffling included: "
            "ours by `fit` from a prepared folder, without checkpoints within the epoch; DeepCTR-Torch, "
            "pytorch-widedeep and Keras by `fit` on arrays, Torch-RecHub by `CTRTrainer.train_one_epoch` on its "
            "`DataGenerator`, FuxiCTR by `BaseModel.fit` on its in-memory data set.",
        },
    )


class Measured:
    """Medians and AUCs by name; what is absent has none, and a model whose scores are not numbers has no AUC."""

    def __init__(self, rates: Rounds, auc: Mapping[str, float | None], absent: Mapping[str, str]) -> None:
        self.rates = rates.medians()
        self.auc = {name: value for name, value in auc.items() if value is not None}
        self.absent = absent

    def ratio(self, ours: str, *peers: str) -> float | None:
        """Ours over the best of the peers that are there; None without any."""
        there = [self.rates[name] for name in peers if name in self.rates]
        return self.rates[ours] / max(there) if there and ours in self.rates else None


def goals_of(measured: Measured) -> dict[str, Goal]:
    """The goals whose contestants are there."""
    goals: dict[str, Goal] = {}

    def ask(name: str, asked: float, ratio: float | None) -> None:
        if ratio is not None:
            goals[name] = at_least(asked, ratio)

    ask("defaults: times the best PyTorch peer", 8, measured.ratio("ours", *TORCH_PEERS))
    ask("defaults: times Keras", 2.5, measured.ratio("ours", KERAS))
    for name, (_, _, ours) in PEERS.items():
        ask(f"same optimiser: times {name}", 2, measured.ratio(ours, name))
    ask("share of the MLP alone", 0.8, measured.ratio("ours", MLP))
    peers = [measured.auc[name] for name in PEERS if name in measured.auc]
    if peers and "ours" in measured.auc:
        goals[f"AUC: at least the best peer's less {AUC_MARGIN}"] = at_least(
            round(max(peers) - AUC_MARGIN, 6), measured.auc["ours"]
        )
    return goals


def _settings(folder: Path, hidden: tuple[int, ...], seed: int) -> dict[str, Any]:
    """What every worker is told."""
    sizes = {"numbers": NUMBERS, "dim": DIM, "hidden": hidden}
    return {"folder": str(folder), "seed": seed, "optimiser": "default", **sizes}


def _enter(field: Field, settings: Mapping[str, Any], options: Options) -> None:
    for name, optimiser in OURS.items():
        checkpoints = _fresh(options.folder("checkpoints") / optimiser)
        asked = {**settings, "optimiser": optimiser, "checkpoints": str(checkpoints)}
        field.add(name, "benchmarks.train_ours", asked)
    field.add(MLP, "benchmarks.train_mlp", settings)
    if not options.quick:
        for name, (worker, optimiser, _) in PEERS.items():
            field.add(name, f"benchmarks.peers.{worker}", {**settings, "optimiser": optimiser}, peer=worker)


def _fresh(folder: Path) -> Path:
    """A folder without the checkpoints of an earlier run."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def _multiply_rate(hidden: tuple[int, ...]) -> float:
    """FLOP/s of the network's own products, forward and both backward, at the batch's size."""
    widths = (NUMBERS + DIM * len(CARDINALITIES), *hidden)
    shapes = []
    for before, after in itertools.pairwise(widths):
        shapes += [(BATCH, before, after), (BATCH, after, before), (before, BATCH, after)]
    return matrix_rate(1, shapes)


def _rows(measured: Measured, memory: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float | None]]:
    """Of every contestant its rate, its AUC and its peak memory in MiB."""
    return {
        name: {
            "rate": rate,
            "auc": measured.auc.get(name),
            "peak_mib": mebibytes(memory[name]["peak"]) if name in memory else None,
        }
        for name, rate in measured.rates.items()
    }
