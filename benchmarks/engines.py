"""A hundred million interactions to finished shards by each engine: the same files, time, memory and bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from benchmarks.harness import Goal, Options, all_met, at_most, machine, mebibytes, say, useful_line
from benchmarks.interactions import CATEGORIES, ITEMS, LABEL, USERS, write_interactions
from benchmarks.result import Result
from benchmarks.served import children_of, proportional_memory
from shortlist.core.errors import EnvironmentFault

DESCRIPTION = "100 million interactions prepared by DuckDB and by Spark local[2]: time, peak memory, bytes, same shards"
UNIT = "interactions per second by the clock, two cores; ours is DuckDB, beside Spark"
ROWS = 100_000_000
ENGINES = ("duckdb", "spark")
THREADS = 2
DRIVER_MEMORY = "8g"
"""Of the one JVM of `local[2]`, whose default of 1 GiB is for more and smaller executors."""
_LOOK_S = 0.5
_RECIPE = f"""\
name = "{{engine}}"
[data]
interactions = "{{log}}"
[schema]
user_id = "user"
item_id = "item"
timestamp = "time"
targets.liked = "{LABEL} == 1"
[features.context]
category = "categorical"
price = "numeric"
dwell = "numeric"
[compute]
engine = "{{engine}}"
spark_master = "local[{THREADS}]"
threads = {THREADS}
"""


def run(options: Options) -> Result:
    """One after the other, `shortlist prepare` in a process of its own; as many rows as the first argument says."""
    rows = 20_000 if options.quick else int(options.arguments[0]) if options.arguments else ROWS
    say("log: writing")
    log = write_interactions(options.folder("interactions") / f"{rows}-{options.seed}.parquet", rows, options.seed)
    folder = options.folder("engines")
    shutil.rmtree(folder)
    found = {engine: prepared(engine, log, folder, options) for engine in ENGINES}
    files, differing = compared(*(folder / "runs" / engine / "prepared" for engine in ENGINES))
    shutil.rmtree(folder)
    goals = goals_of(found, differing)
    return Result(
        name="engines",
        passed=all_met(goals),
        unit=UNIT,
        ours=rows / found["duckdb"]["wall_s"],
        peers={f"spark local[{THREADS}]": rows / found["spark"]["wall_s"]},
        ratio=found["spark"]["wall_s"] / found["duckdb"]["wall_s"],
        goals=goals,
        details={
            "engines": found,
            "files": files,
            "sizes": {"rows": rows, "users": USERS, "items": ITEMS, "categories": CATEGORIES, "numbers": 2},
            "log_mib": mebibytes(log.stat().st_size),
            "how": f"`shortlist prepare` as a command, on {THREADS} cores; Spark as local[{THREADS}] with "
            f"{DRIVER_MEMORY} for its JVM. Memory is that of the command and all that it starts, each shared page in "
            f"parts (PSS), looked at every {_LOOK_S:g} s. Written is what the prepared folder holds in the end; "
            "scratch what else the disk held at the most, in the temporary folder. Once each.",
        },
    )


def goals_of(found: Mapping[str, Mapping[str, float]], differing: int) -> dict[str, Goal]:
    """Both within the machine, and with one result."""
    memory = machine()["memory_gib"]
    within = {
        f"{engine}: GiB at the peak": at_most(memory, round(facts["peak_mib"] / 2**10, 2))
        for engine, facts in found.items()
    }
    return {"files of shards and vocabularies whose rows differ": at_most(0, differing), **within}


def prepared(engine: str, log: Path, folder: Path, options: Options) -> dict[str, float]:
    """What one engine took; EnvironmentFault where the command fails."""
    say(f"{engine}: preparing")
    recipe = folder / f"{engine}.toml"
    recipe.parent.mkdir(parents=True, exist_ok=True)
    recipe.write_text(_RECIPE.format(engine=engine, log=log))
    command = [sys.executable, "-m", "shortlist.cli", "prepare", str(recipe), "--runs", str(folder / "runs")]
    output = options.folder("logs") / f"engines-{engine}.log"
    with tempfile.TemporaryDirectory(dir=folder) as scratch, output.open("w+") as written:
        environment = {
            **os.environ,
            "TMPDIR": scratch,
            "SPARK_LOCAL_DIRS": scratch,
            "PYSPARK_SUBMIT_ARGS": f"--driver-memory {DRIVER_MEMORY} pyspark-shell",
        }
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=written, stderr=written)
        peak, most = 0, 0
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            most = max(most, _size(Path(scratch)))
            time.sleep(_LOOK_S)
        wall = time.perf_counter() - began
        written.seek(0)
        if process.returncode:
            raise EnvironmentFault(f"`shortlist prepare` with {engine} failed: {useful_line(written.read())}")
    facts = {
        "wall_s": round(wall, 1),
        "peak_mib": mebibytes(peak),
        "written_mib": mebibytes(_size(folder / "runs" / engine / "prepared")),
        "scratch_mib": mebibytes(most),
    }
    say(f"{engine}: {facts}")
    return facts


def compared(one: Path, other: Path) -> tuple[int, int]:
    """How many shards, vocabularies and tables of rows there are, and how many of them have other rows in `other`.

    Bytes may differ where the rows do not: what fills a buffer up behind them is left as it was.
    """
    names = {path.relative_to(folder) for folder in (one, other) for path in folder.rglob("*.arrow")}
    return len(names), sum(not _same(one / name, other / name) for name in names)


def _same(one: Path, other: Path) -> bool:
    if not (one.is_file() and other.is_file()):
        return False
    tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in (one, other)]
    return bool(tables[0].equals(tables[1]))


def _memory(pid: int) -> int:
    """Bytes of a process and of all below it; 0 of one that has just ended."""
    try:
        return proportional_memory(pid) + sum(map(_memory, children_of(pid)))
    except OSError:
        return 0


def _size(folder: Path) -> int:
    """Bytes of the files that are there, while others come and go."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(place, name)).st_blocks * 512
            except OSError:
                continue
    return total
