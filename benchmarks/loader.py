"""Shuffled rows to tensors, data in the page cache: rows a CPU-second, ours and four loaders'."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.click_data import prepared_clicks
from benchmarks.click_loading import BATCH
from benchmarks.clicks import CARDINALITIES, NUMBERS, TINY, write_clicks
from benchmarks.contestant import Field
from benchmarks.harness import Goal, Options, all_met, at_least, interleaved, mebibytes, memory_bandwidth, say
from benchmarks.load_ours import loader_recipe
from benchmarks.result import Result
from shortlist.core.files import whole_folder

DESCRIPTION = "shuffled rows of 13 numbers and 26 ids to torch tensors: rows a CPU-second beside four loaders"
UNIT = "rows per CPU-second, one thread"
COLUMNS = NUMBERS + len(CARDINALITIES)
FILES = 4
COPY = "copy in order"
ROWS = "torch DataLoader, a row at a time"
BATCHES = "torch DataLoader, a batch at a time"
PEERS = {"Merlin": "merlin_dataloader", "Petastorm": "petastorm", "Mosaic Streaming": "mosaic_streaming"}
_SLOW = {ROWS: 200_000, "Mosaic Streaming": 20_000, "Petastorm": 500_000, "Merlin": 1_000_000}
"""Rows of a round, for those whose round would take minutes; the others deliver all rows of the log."""


def run(options: Options) -> Result:
    """Every contestant delivers the rows in rounds taken in turn."""
    count, sizes = (20_000, TINY) if options.quick else (2_000_000, CARDINALITIES)
    folder = options.folder("clicks") / f"{len(sizes)}-{sum(sizes)}-rows-{count}-{options.seed}"
    say("click log: writing and preparing")
    write_clicks(folder, count, BATCH, sizes, options.seed)
    _write_parquet(folder)
    prepared_clicks(folder, loader_recipe(folder, NUMBERS, len(sizes)))
    settings = {"folder": str(folder), "numbers": NUMBERS, "seed": options.seed}
    with Field(options) as field:
        _enter(field, settings, options)
        rates = interleaved(
            {
                name: partial(worker.rate, "load", rows=min(count, _SLOW.get(name, count)))
                for name, worker in field.there.items()
            }
        )
        memory = field.ask_all("memory", list(rates.values))
        versions = field.ask_all("versions", list(rates.values))
    medians, absent = rates.medians(), {**field.absent, **rates.failed}
    names = [ROWS, BATCHES, *([] if options.quick else PEERS)]
    best = max((medians[name] for name in names if name in medians), default=None)
    goals = {} if options.quick else goals_of(medians)
    return Result(
        name="loader",
        passed=all_met(goals),
        unit=UNIT,
        ours=medians["ours"],
        peers={name: medians.get(name, absent.get(name, "not asked")) for name in names},
        ratio=medians["ours"] / best if best else None,
        limit=medians.get(COPY),
        goals=goals,
        details={
            "limit_is": "the same bytes copied batch by batch, in order, from mapped files to new tensors",
            "contestants": {
                name: {"rate": rate, "peak_mib": mebibytes(memory[name]["peak"]) if name in memory else None}
                for name, rate in medians.items()
            },
            "rounds": rates.values,
            "peers_versions": versions,
            "roofline": {
                "bytes_per_row": 4 * (COLUMNS + 1),
                "copy_bandwidth_bytes_per_s": memory_bandwidth(),
            },
            "sizes": {"rows": count, "batch": BATCH, "numbers": NUMBERS, "ids": len(sizes), "files": FILES},
            "how": "Ours delivers what its ranking task trains on, from its shards; torch's data sets hold the rows as "
            "tensors in memory and shuffle all of them; Merlin and Petastorm read Parquet files and shuffle within a "
            "partition and within a queue of 65,536 rows; Mosaic Streaming reads its own shards, 200,000 rows of them.",
        },
    )


def goals_of(medians: Mapping[str, float]) -> dict[str, Goal]:
    """The goals whose contestants are there."""
    goals = {"rows per CPU-second": at_least(7e6, medians["ours"])}
    for name in ("Merlin", "Petastorm"):
        if name in medians:
            goals[f"times {name}"] = at_least(15, medians["ours"] / medians[name])
    return goals


def _enter(field: Field, settings: Mapping[str, Any], options: Options) -> None:
    field.add("ours", "benchmarks.load_ours", settings)
    for name, way in {COPY: "copy", ROWS: "rows", BATCHES: "batches"}.items():
        field.add(name, "benchmarks.load_torch", {**settings, "way": way})
    if not options.quick:
        for name, peer in PEERS.items():
            field.add(name, f"benchmarks.peers.{peer}", settings, peer=peer)


def _write_parquet(folder: Path) -> None:
    """The training rows as some Parquet files of a column each feature, unless they are there."""
    if (folder / "parquet").is_dir():
        return
    numbers_nN, ids_nF, label_n = (np.load(folder / f"train_{what}.npy") for what in ("numbers", "ids", "label"))
    with whole_folder(folder / "parquet") as draft:
        for place, rows in enumerate(np.array_split(np.arange(len(label_n)), FILES)):
            columns = {
                **{f"n{i}": numbers_nN[rows, i] for i in range(numbers_nN.shape[1])},
                **{f"c{i}": ids_nF[rows, i] for i in range(ids_nF.shape[1])},
                "label": label_n[rows],
            }
            pq.write_table(pa.table(columns), draft / f"part-{place}.parquet", row_group_size=65_536)
