"""What the benchmarks share: options, rounds in turn, CPU seconds, memory, what this machine could do at most.

Rates are per CPU-second of the measured process, so that a busy machine does not change them much; contestants take
turns within one run, and the median of the rounds counts.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROUNDS = 5
"""Fewest rounds of a measurement that is shown to anyone."""
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
}
"""Environment of a process that computes with one thread."""
_MEBI = 2**20

Goal = tuple[float, float, bool]
"""What was asked for, what was measured, and whether that will do."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says to a benchmark."""

    quick: bool = False
    """Tiny sizes, to see whether everything runs; its figures say nothing."""
    seed: int = 0
    """Of all synthetic data."""
    work: Path = field(default_factory=lambda: Path.home() / ".cache" / "shortlist-benchmarks")
    """Environments of the peers and data, kept between runs."""
    arguments: tuple[str, ...] = ()
    """What stands behind the benchmark's name, such as a data set."""
    data: Path | None = None
    """Folder of the data sets that `accuracy` reads."""
    seeds: int | None = None
    """How many times `accuracy` trains each model, from `seed` on; None for as often as the comparison says."""
    peer_seeds: int | None = None
    """How many times `accuracy` trains each peer's model; None for as often as ours."""
    models: tuple[str, ...] | None = None
    """The models that `accuracy` compares; None for all of them."""
    peers: tuple[str, ...] | None = None
    """The peers that `accuracy` measures beside; None for all of them."""
    bundle: Path | None = None
    """The bundle that is served; None for those that the benchmark makes."""
    seconds: float | None = None
    """How long a server is under load; None for as long as the benchmark says."""
    cases: int | None = None
    """How many requests are made up from the service's own description; None for as many as the benchmark says."""

    def folder(self, name: str) -> Path:
        """A folder of its own in `work`, made when it is not there."""
        folder = self.work / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def say(text: str) -> None:
    """A line of progress for people, on standard error."""
    print(text, file=sys.stderr, flush=True)


def at_least(asked: float, measured: float) -> Goal:
    """A goal that more is better for."""
    return asked, measured, measured >= asked


def at_most(asked: float, measured: float) -> Goal:
    """A goal that less is better for."""
    return asked, measured, measured <= asked


def all_met(goals: Mapping[str, Goal]) -> bool:
    """Whether every goal was met."""
    return all(met for _, _, met in goals.values())


def cpu_seconds(pid: int | None = None) -> float:
    """User and system time of all threads: of this process to the microsecond, of another to the clock tick."""
    if pid is None:
        return time.process_time()
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_cpu_seconds() -> float:
    """User and system time of the children of this process that have ended and been waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def peak_memory(pid: int | None = None) -> int:
    """Bytes of memory that a process held at most (VmHWM)."""
    return _status(pid, "VmHWM")


def memory(pid: int | None = None) -> int:
    """Bytes of memory that a process holds now (VmRSS)."""
    return _status(pid, "VmRSS")


def _status(pid: int | None, name: str) -> int:
    for line in Path(f"/proc/{pid or 'self'}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/{pid or 'self'}/status has no {name}")


def reset_peak_memory() -> None:
    """Let this process's peak memory begin again at what it holds now, where the kernel permits it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        say(f"peak memory counts from the start of the process: {error}")


def release_memory() -> None:
    """Hand freed memory back to the system, so that what is measured next begins from what is in use."""
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


def one_thread(core: int | None = None) -> None:
    """Keep this process to one computing thread, and to one core where the system can do that.

    Call it before NumPy and torch are imported; of the environment they read it only then.
    """
    os.environ.update(ONE_THREAD)
    pin(core)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def pin(core: int | None = None) -> None:
    """Keep this process and its later children on one core, by default the last that it may use."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if core is None else core})


@dataclass
class Rounds:
    """What each contestant's rounds gave."""

    values: dict[str, list[float]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    """Contestants that could not go on, with the first useful line of why."""

    def median(self, name: str) -> float:
        """The middle of a contestant's rounds."""
        return statistics.median(self.values[name])

    def medians(self) -> dict[str, float]:
        """Of each contestant that finished."""
        return {name: self.median(name) for name in self.values}

    def spread(self, name: str) -> float:
        """Largest less smallest round as a share of the median: how far to trust it."""
        values = self.values[name]
        return (max(values) - min(values)) / self.median(name)


def interleaved(contestants: Mapping[str, Callable[[], float]], rounds: int = ROUNDS) -> Rounds:
    """Let the contestants take turns, each round beginning with the next of them, so that none always runs first.

    One that raises is named in `failed` with its error and is not asked again.
    """
    found = Rounds({name: [] for name in contestants})
    for number in range(rounds):
        for name in turned(list(contestants), number):
            if name in found.failed:
                continue
            try:
                found.values[name].append(contestants[name]())
            except Exception as error:
                found.failed[name] = useful_line(str(error) or repr(error))
                del found.values[name]
                say(f"{name}: {found.failed[name]}")
        say(f"round {number + 1} of {rounds}: {_latest(found.values)}")
    return found


def turned(names: Sequence[str], by: int) -> list[str]:
    """The names beginning with another one in each round."""
    by = by % len(names) if names else 0
    return [*names[by:], *names[:by]]


def _latest(values: Mapping[str, Sequence[float]]) -> str:
    return "  ".join(f"{name} {number(rounds[-1])}" for name, rounds in values.items() if rounds)


def useful_line(text: str) -> str:
    """Of a failure's many lines the one that says most: the first that names an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marked = [line for line in lines if line.lower().startswith(("error", "fatal")) or "Error: " in line]
    return (marked or lines[-1:] or ["it ended without a word"])[0][:300]


def number(value: float) -> str:
    """A figure for people, to three digits or more."""
    size = abs(value)
    if size >= 1e9:
        return f"{value / 1e9:,.2f} G"
    if size >= 1e6:
        return f"{value / 1e6:,.2f} M"
    if size >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def mebibytes(size: float) -> float:
    """Bytes as MiB, to the tenth."""
    return round(size / _MEBI, 1)


def machine() -> dict[str, Any]:
    """Cores that may be used, the processor's name, memory, operating system and Python."""
    return {
        "cores": os.cpu_count() or 1,
        "cpu": _cpu_name(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions(*packages: str) -> dict[str, str]:
    """Versions of the installed packages among these."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def memory_bandwidth(size: int = 512 * _MEBI, rounds: int = ROUNDS) -> float:
    """Bytes a CPU-second that one thread moves in a large copy, the best of the rounds.

    Counts bytes read plus bytes written, so a copy of n bytes counts 2n; the write's own reading of the line is not.
    """
    import numpy as np

    source = np.ones(size, np.uint8)
    target = np.zeros(size, np.uint8)
    best = 0.0
    for _ in range(rounds):
        before = cpu_seconds()
        np.copyto(target, source)
        best = max(best, 2 * size / (cpu_seconds() - before))
    return best


def matrix_rate(
    threads: int = 1, shapes: Sequence[tuple[int, int, int]] = ((4096, 400, 400),), rounds: int = 20
) -> float:
    """FLOP/s of float32 products (m, k) x (k, n) of these shapes, all of them once a round; the best round.

    By the clock on the wall, as several threads share the work.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        pairs = [(torch.randn(m, k), torch.randn(k, n)) for m, k, n in shapes]
        outs = [left @ right for left, right in pairs]
        flops = sum(2 * m * k * n for m, k, n in shapes)
        best = 0.0
        for _ in range(rounds):
            started = time.perf_counter()
            for (left, right), out in zip(pairs, outs, strict=True):
                torch.mm(left, right, out=out)
            best = max(best, flops / (time.perf_counter() - started))
        return best
    finally:
        torch.set_num_threads(before)
