"""What a shop takes: bytes, FLOPs, hours and cost of each stage, and what limits it.

    python examples/plan.py                                     100M users, 10M items, 10B events, 1 TB of embeddings
    python examples/plan.py --users 2e6 --items 1e5 --events 3e8 --table-bytes 2e9 --gpus 1 --hosts 2
    python examples/plan.py --help                              every number, and where it is from

A stage takes as long as its slowest resource, as if all of them were busy at once: a lower bound, without waiting for
machines, stragglers or failures. Rates of a core are read from docs/performance/*.json; numbers that nobody measured
here are marked as assumptions, and each of them can be put in on the command line. Rows of parted tables are taken to
be dealt out in turn, row r to process r mod N, so that every process has as many of those that are asked for.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

PERFORMANCE = Path(__file__).resolve().parent.parent / "docs" / "performance"
FLOAT = 4
CHECKPOINTS = 4
"""On the disk at once: the two that are kept, the best one, and the one that is being written."""
ASSUMED = "assumption"


def _number(default: float, about: str) -> Any:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True)
class Plan:
    """The numbers that one may put in."""

    users: float = _number(1e8, "users of the log")
    items: float = _number(1e7, "items of the catalogue")
    events: float = _number(1e10, "events of the log")
    event_bytes: float = _number(60, f"of an event as it is read ({ASSUMED})")
    id_bytes: float = _number(40, "of an id with its four counts on its way to the driver; a text is longer")
    table_bytes: float = _number(1e12, "of all embeddings")
    dim: float = _number(64, "of an embedding")
    lookups: float = _number(40, "embeddings that a sample looks up")
    layers: str = field(default="1024,512,256", metadata={"about": "widths of the ranker's network"})
    positives: float = _number(0.3, "share of the events that the ranker learns from")
    negatives: float = _number(4, "beside each of them")
    draws_per_s: float = _number(
        1.4e6, "negatives that a process draws, by popularity, 1M items, 100 events a user (docs/scale.md)"
    )
    epochs: float = _number(1, "passes over the samples")
    batch: float = _number(65_536, "samples of a step")
    requests_per_s: float = _number(20_000, "that the service answers at its peak")
    hosts: float = _number(50, "CPU hosts")
    cores: float = _number(32, "of a host")
    network: float = _number(3.1e9, f"bytes a second of a host, 25 Gbit/s ({ASSUMED})")
    store: float = _number(1.5e9, f"bytes a second between a host and the object store ({ASSUMED})")
    disk: float = _number(2e9, f"bytes a second of a host's own disk ({ASSUMED})")
    spark: float = _number(187.3 / 965.9, "rate of a core on Spark beside DuckDB's (docs/scale.md)")
    scratch_bytes: float = _number(176, "of an event on the executors' disks, 16.4 GiB for 100M (docs/scale.md)")
    vocabulary_per_s: float = _number(1e6, f"ids a second that the driver numbers ({ASSUMED})")
    gpus: float = _number(16, "that train")
    gpu_memory: float = _number(141e9, "bytes (NVIDIA H200 data sheet)")
    gpu_bandwidth: float = _number(4.8e12, "bytes a second of its memory (NVIDIA H200 data sheet)")
    gpu_flops: float = _number(494e12, "a second, TF32 without sparsity (NVIDIA H200 data sheet)")
    gpu_share: float = _number(0.3, f"of its FLOPs that layers of this size reach ({ASSUMED})")
    gpu_lookup_share: float = _number(0.5, f"of its bandwidth that scattered rows reach ({ASSUMED})")
    gpu_network: float = _number(50e9, f"bytes a second of a GPU, 400 Gbit/s ({ASSUMED})")
    core_hour: float = _number(0.05, f"price ({ASSUMED})")
    gpu_hour: float = _number(5.0, f"price ({ASSUMED})")


@dataclass(frozen=True)
class Rates:
    """What one core was measured to do."""

    prepare_rows: float
    prepared_bytes: float
    """Of a row, as it is written."""
    loader_rows: float
    flops: float
    search_share: float
    """Of the FLOPs, that exact search reaches for a batch of queries."""
    request_s: float = 1.7e-3
    """To encode a request, rank 500 candidates and present ten (docs/decisions/019)."""

    @classmethod
    def measured(cls, folder: Path = PERFORMANCE) -> Rates:
        """The figures that are published."""
        prepare, loader, train, index = (
            json.loads((folder / f"{name}.json").read_text()) for name in ("prepare", "loader", "train", "index")
        )
        whole = prepare["details"]["whole"]
        return cls(
            prepare_rows=whole["rows_per_cpu_s"],
            prepared_bytes=whole["bytes"] / whole["rows"],
            loader_rows=loader["ours"],
            flops=train["details"]["roofline"]["matrix_rate_flops_per_s"],
            search_share=index["ours"] / index["limit"],
        )


@dataclass(frozen=True)
class Stage:
    """What one stage takes."""

    name: str
    seconds: Mapping[str, float]
    """By resource, if that one were all that it took."""
    per_hour: float
    """What the machines that it holds cost."""
    bytes: float = 0.0
    flops: float = 0.0
    note: str = ""

    @property
    def bottleneck(self) -> str:
        """The resource that takes longest."""
        return max(self.seconds, key=lambda name: self.seconds[name])

    @property
    def wall_s(self) -> float:
        """At least so long."""
        return max(self.seconds.values())

    @property
    def cost(self) -> float:
        """Of the machines, for that long."""
        return self.wall_s / 3600 * self.per_hour


def stages(plan: Plan, rates: Rates) -> list[Stage]:
    """The stages in their order."""
    all_cores, cpu_hour = plan.hosts * plan.cores, plan.hosts * plan.cores * plan.core_hour
    return [
        _prepare(plan, rates, all_cores, cpu_hour),
        _vocabularies(plan, cpu_hour),
        _training(plan, rates),
        _checkpoint(plan),
        _export(plan),
        _index(plan, rates, plan.cores * plan.core_hour),
        _sending(plan, cpu_hour),
        _scoring(plan, rates, all_cores, cpu_hour),
    ]


def _prepare(plan: Plan, rates: Rates, cores: float, per_hour: float) -> Stage:
    """Every event is read, sent to the executor that has its user, sorted, encoded and written."""
    read, written = plan.events * plan.event_bytes, plan.events * rates.prepared_bytes
    scratch = plan.events * plan.scratch_bytes
    seconds = {
        "cores": plan.events / (rates.prepare_rows * plan.spark * cores),
        "network": read * (1 - 1 / plan.hosts) / (plan.hosts * plan.network),
        "object store": (read + written) / (plan.hosts * plan.store),
        "scratch": 2 * scratch / (plan.hosts * plan.disk),
    }
    note = f"{_bytes(scratch / plan.hosts)} of scratch a host"
    return Stage("prepare", seconds, per_hour, bytes=read + written, note=note)


def _vocabularies(plan: Plan, per_hour: float) -> Stage:
    """Ids and counts come to the driver, which numbers them, and go to every executor that joins them."""
    held = (plan.users + plan.items) * plan.id_bytes
    seconds = {
        "driver": (plan.users + plan.items) / plan.vocabulary_per_s,
        "driver's network": held * (1 + math.log2(max(plan.hosts, 2))) / plan.network,
    }
    return Stage("vocabularies", seconds, per_hour, bytes=held, note=f"{_bytes(held)} on the driver")


def _training(plan: Plan, rates: Rates) -> Stage:
    """All passes of the ranker: products, look-ups, the exchange of looked-up vectors, and what the loader does.

    One thread of each process draws negatives and gathers features, of its own rows. All shards are read, which the
    processes of a host do together: that more GPUs do not part.
    """
    positives = plan.events * plan.positives * plan.epochs
    samples = positives * (1 + plan.negatives)
    weights = _weights(plan)
    vectors = samples * plan.lookups * plan.dim * FLOAT
    flops = samples * 6 * weights
    seconds = {
        "products": flops / (plan.gpus * plan.gpu_flops * plan.gpu_share),
        # Read to look up; read and written to update.
        "table rows": 3 * vectors / (plan.gpus * plan.gpu_bandwidth * plan.gpu_lookup_share),
        # Vectors there and gradients back, but for the share of its own.
        "all-to-all": 2 * vectors * (1 - 1 / plan.gpus) / (plan.gpus * plan.gpu_network),
        "all-reduce": samples / plan.batch * 2 * weights * FLOAT * (1 - 1 / plan.gpus) / plan.gpu_network,
        "loader": (samples / rates.loader_rows + positives * plan.negatives / plan.draws_per_s) / plan.gpus,
        "shards": plan.events * rates.prepared_bytes * plan.epochs / plan.store,
    }
    # A row's accumulator is one number.
    held = plan.table_bytes * (1 + 1 / plan.dim)
    least = math.ceil(held / (0.8 * plan.gpu_memory))
    note = f"tables need {least} GPUs" + ("" if least <= plan.gpus else f", {plan.gpus:g} are there")
    return Stage("train", seconds, plan.gpus * plan.gpu_hour, bytes=vectors, flops=flops, note=note)


def _checkpoint(plan: Plan) -> Stage:
    """All tables and accumulators to the object store, from the hosts of the GPUs, eight to a host."""
    written = plan.table_bytes * (1 + 1 / plan.dim)
    seconds = {"object store": written / (math.ceil(plan.gpus / 8) * plan.store)}
    note = f"{_bytes(CHECKPOINTS * written)} for {CHECKPOINTS} at once"
    return Stage("a checkpoint", seconds, plan.gpus * plan.gpu_hour, bytes=written, note=note)


def _export(plan: Plan) -> Stage:
    """The first process alone copies the tables out of a checkpoint, then into the bundle, and hashes that twice."""
    moved = (2 + 2 + 2) * plan.table_bytes
    note = f"{_bytes(2 * plan.table_bytes)} beside the checkpoints"
    return Stage("export", {"object store": moved / plan.store}, plan.gpus * plan.gpu_hour, bytes=moved, note=note)


def _index(plan: Plan, rates: Rates, per_hour: float) -> Stage:
    """k-means over a sample for four lists a root of the items, then each item to its nearest list; on one host."""
    lists = 4 * math.sqrt(plan.items)
    sample = min(plan.items, 64 * lists)
    flops = 2 * plan.dim * lists * (10 * sample + plan.items)
    held = plan.items * plan.dim * FLOAT
    on_one = flops / (rates.flops * rates.search_share * plan.cores)
    return Stage("index", {"cores of one host": on_one}, per_hour, bytes=held, flops=flops)


def _sending(plan: Plan, per_hour: float) -> Stage:
    """The driver reads the bundle for its hashes and again to write the archive; each host fetches and unpacks it."""
    seconds = {
        "object store": (3 + 1) * plan.table_bytes / plan.store,
        # The archive written, read again, and its files written.
        "disk": 3 * plan.table_bytes / plan.disk,
    }
    note = f"{_bytes(2 * plan.table_bytes)} on each host"
    return Stage("send the bundle", seconds, per_hour, bytes=(3 + plan.hosts) * plan.table_bytes, note=note)


def _scoring(plan: Plan, rates: Rates, cores: float, per_hour: float) -> Stage:
    """A list for every user: every item scored exactly, 500 candidates ranked."""
    flops = 2 * plan.users * plan.items * plan.dim
    seconds = {
        "search": flops / (rates.flops * rates.search_share * cores),
        "ranking": plan.users * rates.request_s / cores,
    }
    return Stage("score all users", seconds, per_hour, flops=flops)


def serving_cores(plan: Plan, rates: Rates) -> float:
    """Cores that answer the peak, each of them busy for six tenths of the time; the search is not counted."""
    return plan.requests_per_s * rates.request_s / 0.6


def hottest(plan: Plan) -> float:
    """The first item's share of the look-ups of items, if the n-th is asked for 1/n times as often (Zipf)."""
    return 1 / (math.log(plan.items) + 0.5772)


def _weights(plan: Plan) -> float:
    widths = [plan.lookups * plan.dim, *map(float, plan.layers.split(",")), 1.0]
    return sum(before * after for before, after in pairwise(widths))


def shown(plan: Plan, rates: Rates) -> str:
    """The plan as a table."""
    rows = [("stage", "at least", "limited by", "next", "bytes", "FLOPs", "cost", "")]
    found = stages(plan, rates)
    for stage in found:
        order = sorted(stage.seconds, key=lambda name: -stage.seconds[name])
        following = f"{order[1]} {_duration(stage.seconds[order[1]])}" if len(order) > 1 else ""
        flops = f"{stage.flops:.1e}" if stage.flops else ""
        moved = _bytes(stage.bytes) if stage.bytes else ""
        cost = f"{stage.cost:,.0f}"
        rows.append((stage.name, _duration(stage.wall_s), order[0], following, moved, flops, cost, stage.note))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    total = sum(stage.cost for stage in found)
    cores = serving_cores(plan, rates)
    lines.append(f"\nall of it: {_duration(sum(stage.wall_s for stage in found))}, {total:,.0f}")
    lines.append(f"serving {plan.requests_per_s:,.0f} requests a second: {cores:,.0f} cores beside the search")
    lines.append(f"the hottest item: {hottest(plan):.1%} of the look-ups of items")
    return "\n".join(lines)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.4g} PB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def parser() -> argparse.ArgumentParser:
    """An option for each number."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for each in fields(Plan):
        kind = str if isinstance(each.default, str) else float
        text = each.default if kind is str else f"{each.default:g}"
        about = f"{each.metadata['about']} (default: {text})"
        made.add_argument("--" + each.name.replace("_", "-"), type=kind, default=each.default, help=about)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the plan of what the command line says."""
    sys.stdout.write(shown(Plan(**vars(parser().parse_args(arguments))), Rates.measured()) + "\n")


if __name__ == "__main__":
    main()
