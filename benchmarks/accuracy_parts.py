"""The single trainings of `accuracy`: each a process of its own on one core, kept when finished."""

from __future__ import annotations

import json
import os
import queue
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.contestant import Contestant, ContestantError
from benchmarks.environments import PEERS, CannotInstallError, interpreter
from benchmarks.harness import Options, pin, say
from shortlist.core.files import fingerprint, read_json, sha256, write_json
from shortlist.recipe.sections import Recipe

OURS = "ours"
_ROOT = Path(__file__).parents[1]
_SOURCE = _ROOT / "src" / "shortlist"
_TRAINS = ("data", "features", "losses", "models", "nn", "tables", "training")


@dataclass(frozen=True)
class Part:
    """One model of one contestant, trained once."""

    contestant: str
    model: str
    seed: int
    module: str
    """The worker, which answers `train`."""
    settings: Mapping[str, Any]
    """What the worker is told."""
    depends: Any
    """What the result depends on beside the worker's own file and a peer's packages; JSON values."""
    peer: str | None = None
    """Whose environment it runs in; of this project when None."""

    @property
    def name(self) -> str:
        """For people, and for the file that keeps the result."""
        return f"{self.contestant} {self.model} seed {self.seed}"

    def fingerprint(self) -> str:
        """Of everything that the result depends on."""
        files = [_ROOT / (self.module.replace(".", "/") + ".py")]
        if self.peer is not None:
            files += [_ROOT / "benchmarks/accuracy_training.py", PEERS / f"{self.peer}.txt"]
        return fingerprint([self.name, self.depends, [sha256(file) for file in files]])


@dataclass
class Finished:
    """What the parts gave."""

    results: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)
    """By contestant, model and seed."""
    failed: dict[tuple[str, str], str] = field(default_factory=dict)
    """Of a contestant's model why it has no result for some seed."""

    def of(self, contestant: str, model: str) -> list[dict[str, Any]]:
        """The results of every seed, in the order of the seeds."""
        return [self.results[key] for key in sorted(self.results) if key[:2] == (contestant, model)]


def our_part(name: str, recipe: Recipe, prepared: Path, data: str) -> Part:
    """One training of ours, of the model that a comparison calls `name`; `data` is a hash of the tables."""
    values = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    return Part(
        contestant=OURS,
        model=name,
        seed=recipe.seed,
        module="benchmarks.accuracy_ours",
        settings={"recipe": values, "prepared": str(prepared)},
        depends=[{section: value for section, value in values.items() if section != "data"}, data, code()],
    )


def code(*packages: str) -> str:
    """A hash of the code of this project that decides what a training gives, and of further packages."""
    sources = [path for package in (*_TRAINS, *packages) for path in sorted((_SOURCE / package).rglob("*.py"))]
    return fingerprint([[str(path.relative_to(_SOURCE)), sha256(path)] for path in sources])


def finish(parts: Sequence[Part], folder: Path, options: Options) -> Finished:
    """Train what is not in `folder` yet, as many at once as there are cores, and return all of it."""
    done = Finished()
    asked = [part for part in parts if not _kept(part, folder, done)]
    if len(parts) > len(asked):
        say(f"{len(parts) - len(asked)} of {len(parts)} trainings are kept from before")
    pythons, absent = _interpreters(asked, options)
    for part in asked:
        if part.peer in absent:
            done.failed[part.contestant, part.model] = absent[part.peer]
    ready = [part for part in asked if part.peer not in absent]
    cores: queue.SimpleQueue[int] = queue.SimpleQueue()
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    for core in usable:
        cores.put(core)
    with ThreadPoolExecutor(len(usable)) as pool:
        try:
            for _ in pool.map(lambda part: _train(part, pythons[part.peer], cores, folder, options, done), ready):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return done


def _kept(part: Part, folder: Path, done: Finished) -> bool:
    path = _path(part, folder)
    if not path.is_file():
        return False
    found = read_json(path)
    if found["fingerprint"] != part.fingerprint():
        return False
    done.results[part.contestant, part.model, part.seed] = found["result"]
    return True


def _path(part: Part, folder: Path) -> Path:
    return folder / f"{part.name.replace(' ', '-')}.json"


def _interpreters(parts: Sequence[Part], options: Options) -> tuple[dict[str | None, Path], dict[str | None, str]]:
    """Of each peer the Python to run it with, or why there is none."""
    pythons: dict[str | None, Path] = {None: Path(sys.executable)}
    absent: dict[str | None, str] = {}
    for peer in dict.fromkeys(part.peer for part in parts if part.peer is not None):
        try:
            pythons[peer] = interpreter(peer, options.work)
        except (CannotInstallError, OSError) as error:
            absent[peer] = str(error)
            say(f"{peer}: not measured: {error}")
    return pythons, absent


def _train(
    part: Part, python: Path, cores: queue.SimpleQueue[int], folder: Path, options: Options, done: Finished
) -> None:
    """Train one part on a core of its own, keep its result, and say how it went."""
    mark = part.fingerprint()
    core = cores.get()
    try:
        # The worker takes the last core that it may use, and what a thread starts may use what the thread may.
        pin(core)
        log = options.folder("logs") / f"accuracy-{part.name.replace(' ', '-')}.log"
        with Contestant(part.name, python, part.module, part.settings, log) as worker:
            result = {**worker.ask("train"), "versions": worker.ask("versions")}
    except (ContestantError, OSError) as error:
        done.failed[part.contestant, part.model] = str(error)
        say(f"{part.name}: failed: {error}")
        return
    finally:
        cores.put(core)
    write_json(_path(part, folder), {"fingerprint": mark, "result": result})
    done.results[part.contestant, part.model, part.seed] = result
    say(f"{part.name}: {json.dumps(result)}")
