"""SASRec on sequences of up to 200 events: how many a CPU-second trains on, ours and the peers'."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np

from benchmarks.contestant import Contestant, Field
from benchmarks.harness import ROUNDS, Goal, Options, all_met, at_least, interleaved, mebibytes, say
from benchmarks.result import Result
from benchmarks.sequence_data import Sequences, sequences, write
from benchmarks.sequence_training import BATCH

DESCRIPTION = "SASRec, histories of up to 200 events: sequences a CPU-second beside RecTools, of the same loss"
UNIT = "sequences per CPU-second, one thread"
LENGTH, DIM, BLOCKS, DROPOUT = 200, 64, 2, 0.2
OURS, PEERS = "ours", {"RecTools": "rectools"}
TIMES = 2.5
"""How many times the best peer's rate is asked for."""


def run(options: Options) -> Result:
    """Every contestant trains an epoch, a part of it in each round, taken in turn."""
    length, every = (20, 4 * ROUNDS * BATCH) if options.quick else (LENGTH, 100_000)
    # What follows the last event that is read is the last that is asked for; two more are for validation and the test.
    of = sequences(options).first(every).last(length + 3)
    folder = options.folder("sequences") / f"{len(of.item_n)}-{of.users}-{length}-{options.seed}"
    write(folder, of)
    model = {"dim": DIM, "blocks": BLOCKS, "length": length, "dropout": DROPOUT, "seed": options.seed}
    # The first batch of all, in which memory is laid out, and as many in each round.
    batches = max((of.users // BATCH - 1) // ROUNDS, 1)
    with Field(options) as field:
        _enter(field, {"folder": str(folder), **model}, options)
        field.ask_all("train", list(field.there), batches=1)
        turns = {name: Turns(worker, batches) for name, worker in field.there.items()}
        rates = interleaved(turns)
        memory = field.ask_all("memory", list(rates.values))
        versions = field.ask_all("versions", list(rates.values))
    absent = {**field.absent, **rates.failed}
    found = {name: turns[name].rate for name in rates.values}
    there = [found[name] for name in PEERS if name in found]
    ratio = found[OURS] / max(there) if there else None
    # Of tiny sequences attention is next to nothing, and no goal was set for that.
    goals: dict[str, Goal] = {}
    if ratio is not None and not options.quick:
        goals["times the best peer"] = at_least(TIMES, ratio)
    return Result(
        name="sequence",
        passed=all_met(goals),
        unit=UNIT,
        ours=found[OURS],
        peers={name: found.get(name, absent.get(name, "not asked")) for name in PEERS if not options.quick},
        ratio=ratio,
        goals=goals,
        details={
            "contestants": {
                name: {"rate": rate, "peak_mib": mebibytes(memory[name]["peak"])} for name, rate in found.items()
            },
            "rounds": rates.values,
            "peers_versions": versions,
            "sizes": {**model, "batch": BATCH, "batches_a_round": batches, **_sizes(of)},
            "how": "Each trains from data in memory or mapped, its own loader and shuffling included, in float32 by "
            "Adam with binary cross entropy against one uniform negative for each position: ours by `fit` from a "
            "prepared folder, in batches of like lengths; RecTools by its data loader and its Lightning trainer. Ours "
            "asks for each user's first item too. RecTools drops out attention's weights too; ours does not, for the "
            "fused kernel has none. The rate is that of all rounds together, nearly an epoch.",
        },
    )


class Turns:
    """A contestant's part of an epoch in each round, and what all of them gave.

    Batches of like lengths come in random order, so a single round says less than the epoch that they make together.
    """

    def __init__(self, worker: Contestant, batches: int) -> None:
        self.worker = worker
        self.batches = batches
        self.sequences = 0
        self.cpu_s = 0.0

    def __call__(self) -> float:
        """Sequences a CPU-second of this round."""
        found = self.worker.ask("train", batches=self.batches)
        self.sequences += found["rows"]
        self.cpu_s += found["cpu_s"]
        return float(found["rows"] / found["cpu_s"])

    @property
    def rate(self) -> float:
        """Sequences a CPU-second of all rounds."""
        return self.sequences / self.cpu_s


def _enter(field: Field, settings: dict[str, Any], options: Options) -> None:
    checkpoints = options.folder("checkpoints") / "sequence"
    shutil.rmtree(checkpoints, ignore_errors=True)
    field.add(OURS, "benchmarks.sequence_ours", {**settings, "checkpoints": str(checkpoints)})
    for name, peer in PEERS.items() if not options.quick else ():
        field.add(name, f"benchmarks.peers.{peer}", settings, peer)
    if OURS not in field.there:
        say("ours could not be started, and without it there is nothing to compare")
        raise RuntimeError(field.absent[OURS])


def _sizes(of: Sequences) -> dict[str, Any]:
    counts = np.diff(of.offsets_U) - 2
    return {
        "users": of.users,
        "items": int(of.item_n.max()),
        "events": int(counts.sum()),
        "median": float(np.median(counts)),
    }
