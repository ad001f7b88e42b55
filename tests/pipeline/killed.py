"""Train a small shop in processes that are killed, and once in one that is not: `python -m tests.pipeline.killed`.

One interpreter imports everything, and forks for each training: a kill then costs no start. It never uses torch
itself, whose threads do not survive a fork.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shortlist.core.progress import Silent, Terminal
from shortlist.data.simulate import simulate_to
from shortlist.models.catalogue import check_models
from shortlist.pipeline import run_stages
from shortlist.recipe import parse_recipe
from shortlist.training import checkpoint
from shortlist.training.ranking import RankingTask
from shortlist.training.retrieval import RetrievalTask

RECIPE = """\
name = "shop"
[data]
interactions = "events.parquet"
users = "users.parquet"
items = "items.parquet"
[schema]
user_id = "user_id"
item_id = "item_id"
timestamp = "timestamp"
targets.wanted = 'event in ("cart", "purchase")'
[features.user]
city = "categorical"
[features.item]
category = "categorical"
tags = "multi_hot"
price = {kind = "numeric", transform = "log"}
[features.context]
[funnel]
candidates = 20
[retrieval]
epochs = 2
batch_size = 64
history = 10
clip_norm = 0.5
schedule = {warmup = 3, decay = "cosine"}
model = {name = "two_tower", dim = 16, embedding_dim = 16, hidden = [32], dropout = 0.2}
[ranking]
epochs = 2
batch_size = 128
history = 10
clip_norm = 0.5
schedule = {warmup = 3, decay = "plateau"}
negatives = {sampled = 3}
model = {name = "wide_deep", embedding_dim = 8, hidden = [32], dropout = 0.2}
[compute]
threads = 2
device = "cpu"
checkpoint_seconds = 0.0
"""
STAGES = ("retrieval", "ranking")


def die() -> None:
    """As a process ends that runs out of memory, or whose machine is taken away."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number: int, function: Callable[..., Any], *, instead: Callable[..., None] | None = None) -> Any:
    """`function`, but at the call of that number the process dies, after `instead` if that is given."""
    calls = iter(range(1, 1_000_000))

    def counted(*args: Any, **settings: Any) -> Any:
        if next(calls) == number:
            if instead is not None:
                instead(*args, **settings)
            die()
        return function(*args, **settings)

    return counted


def while_writing(number: int) -> Callable[[], None]:
    """Dies in the middle of a file of a checkpoint."""

    def patch() -> None:
        module: Any = checkpoint
        module.save_file = at_call(number, module.save_file, instead=half_a_file_by(module.save_file))

    return patch


def half_a_file_by(write: Callable[..., None]) -> Callable[[Any, Path], None]:
    """Write with `write`, and cut the file in two."""

    def cut(tensors: Any, path: Path) -> None:
        write(tensors, path)
        os.truncate(path, path.stat().st_size // 2)

    return cut


def while_validating(stage: str, number: int) -> Callable[[], None]:
    """Dies as an epoch of a stage is validated."""

    def patch() -> None:
        task: Any = RetrievalTask if stage == "retrieval" else RankingTask
        task.validate = at_call(number, task.validate)

    return patch


def child(folder: Path, data: Path, upto: Any, patch: Callable[[], None] | None = None, said: Any = None) -> int:
    """Walk the stages in a process of its own; its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        if patch is not None:
            patch()
        run_stages(parse_recipe(RECIPE, "shop.toml", (), data, check_models), folder, said or Silent(), upto)
        code = 0
    finally:
        os._exit(code)


def wait(pid: int, seconds: float | None = None) -> bool:
    """Kill a process after some time, or wait for its end; whether it ended well by itself."""
    if seconds is not None:
        time.sleep(seconds)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == 0


def weights(folder: Path) -> list[bytes]:
    """The results of both stages."""
    return [(folder / stage / "model.safetensors").read_bytes() for stage in STAGES]


def main(place: str, seed: str, kills_at_random: str) -> None:
    """Print as JSON whether both trainings came to the same, and how often the one was killed.

    It is killed while it writes a checkpoint and while it validates, and so many times at any moment.
    """
    folder, chance = Path(place), random.Random(int(seed))
    simulate_to(folder / "data", users=60, items=60, seed=1)
    whole, cut = folder / "whole", folder / "cut"
    assert wait(child(whole, folder / "data", "prepare"))
    shutil.copytree(whole, cut)
    started = time.monotonic()
    assert wait(child(whole, folder / "data", "train"))
    seconds = time.monotonic() - started

    kills = 0
    for patch in (while_writing(chance.randint(2, 20)), while_validating(chance.choice(STAGES), 1)):
        kills += not wait(child(cut, folder / "data", "train", patch))
    for _ in range(int(kills_at_random)):
        kills += not wait(child(cut, folder / "data", "train"), chance.uniform(0.1, 0.6) * seconds)
    assert wait(child(cut, folder / "data", "train", said=Terminal()))
    left = sorted(path.name for path in cut.iterdir())
    print(json.dumps({"kills": kills, "equal": weights(whole) == weights(cut), "left": left}))


if __name__ == "__main__":
    main(*sys.argv[1:])
