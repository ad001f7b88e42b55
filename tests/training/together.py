"""Train toy models in 1, 2 and 3 processes: `python -m tests.training.together FOLDER`, which prints what differs.

One interpreter imports everything, and forks for each process: it never uses torch itself, whose threads do not survive
a fork.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from shortlist.core.progress import Silent
from shortlist.data.prepared import Prepared
from shortlist.nn.ranks import joined
from shortlist.recipe.sections import Recipe, sources_of
from shortlist.schema import Split, Target
from shortlist.training.stages import train_ranking, train_retrieval
from tests.evaluation import toy

USERS, ITEMS = 20, 30
ADAM = {"name": "adamw", "lr": 0.02}
SGD = {"name": "sgd", "lr": 0.1}
"""Where some gradients are 0 but for rounding, as of a bias before a batch norm: others would make steps of them."""
TWO = (Target(name="liked"), Target(name="bought"))
SEQUENCE: dict[str, Any] = {"history": 5, "batch_size": 6, "embedding": ADAM, "dense": ADAM}
CASES: dict[str, dict[str, Any]] = {
    "wide_deep": {"ranking": {"model": {"name": "wide_deep", "hidden": [8]}, "negatives": {"sampled": 2}}},
    "list_softmax": {
        "ranking": {
            "model": {"name": "deepfm", "hidden": [8]},
            "negatives": {"sampled": 2},
            "loss": "softmax",
            "embedding": SGD,
            "dense": SGD,
            "wide": SGD,
        }
    },
    "several_targets": {
        "ranking": {
            "model": {"name": "mlp", "hidden": [8], "batch_norm": True},
            "negatives": {"sampled": 0, "keep": 0.6},
            "loss_weights": "uncertainty",
            "clip_norm": 0.05,
            "embedding": ADAM,
            "dense": SGD,
        }
    },
    "two_tower": {"retrieval": {"model": {"name": "two_tower", "dim": 8, "embedding_dim": 8}}},
    "two_tower_for_each": {
        "retrieval": {
            "model": {"name": "two_tower", "dim": 8, "embedding_dim": 8},
            "negatives": {"source": "popularity", "count": 7, "shared": False, "hard": 3},
        }
    },
    "two_tower_labelled": {"retrieval": {"model": {"name": "two_tower", "dim": 8}, "loss": "log_loss"}},
    "sasrec": {
        "retrieval": {
            **SEQUENCE,
            "dense": SGD,
            "model": {"name": "sasrec", "embedding_dim": 8, "dropout": 0.0},
            "negatives": {"source": "catalogue"},
        }
    },
    "gru4rec": {"retrieval": {**SEQUENCE, "model": {"name": "gru4rec", "embedding_dim": 8, "dropout": 0.0}}},
}


def prepared(folder: Path) -> Prepared:
    """Two shards whose last batches are small: with batches of 8, one has fewer rows than 3 processes."""
    random = np.random.default_rng(0)
    events = [
        toy.Event(
            user,
            int(random.integers(1, ITEMS + 1)),
            time,
            Split.TRAIN if time < 7 else Split.VALID,
            float(random.random() < 0.7),
            (float(random.random() < 0.4),),
        )
        for user in range(1, USERS + 1)
        for time in range(10)
    ]
    return toy.prepared(folder, events, USERS, ITEMS, shards=2, targets=TWO)


def recipe_of(case: str, settings: Mapping[str, Any] = {}, compute: Mapping[str, Any] = {}) -> Recipe:
    """A case for two epochs, with further settings of its stage and of [compute]."""
    few = {"epochs": 2, "batch_size": 8, "history": 4}
    sections = {name: {**few, **of, **settings} for name, of in CASES[case].items()}
    schema = {
        "user_id": "user_id",
        "item_id": "item_id",
        "timestamp": "time",
        "targets": {"liked": "a > 0", "bought": "b > 0"},
    }
    # Where a processor computes in bf16, sums in another order differ in the third digit.
    here = {"threads": 1, "device": "cpu", "precision": "fp32"}
    return toy.recipe(**sections, compute={**here, **compute}, schema=schema)


def train(recipe: Recipe, data: Prepared, folder: Path) -> None:
    """Train the stage of a recipe into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if recipe.ranking is not None:
        train_ranking(data, recipe, folder, folder / "checkpoints", Silent(), None)
    else:
        settings = sources_of(recipe)["retrieval"]
        train_retrieval(data, recipe, settings, folder, folder / "checkpoints", Silent())


def in_processes(world: int, work: Callable[[], None]) -> bool:
    """Call `work` in so many processes that are joined; whether all of them ended well."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = str(found.getsockname()[1])
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(world)}
    pids = [_forked({**variables, "RANK": str(rank)}, world, work) for rank in range(world)]
    return all([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0 for pid in pids])  # noqa: C419  # wait for all


def _forked(variables: dict[str, str], world: int, work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.environ.update(variables)
        if world == 1:
            work()
        else:
            with joined(torch.device("cpu")):
                work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def figures(folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Losses and metrics of the epochs."""
    curve = json.loads((folder / "history.json").read_text())
    return np.array([[entry["train_loss"], *entry["valid"].values()] for entry in curve])


def differences(one: Path, other: Path) -> tuple[float, float]:
    """The largest of the weights, and that of the losses and metrics of the epochs."""
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (one, other))
    assert ours.keys() == theirs.keys()
    weights = max(float(np.abs(ours[name] - theirs[name]).max(initial=0)) for name in ours)
    return weights, float(np.abs(figures(one) - figures(other)).max())


def main(place: str, cases: Sequence[str]) -> None:
    """Print as JSON of each case and number of processes what differs from one process."""
    folder = Path(place)
    data = prepared(folder / "prepared")
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for case in cases or CASES:
        for world in (1, 2, 3):
            work = partial(train, recipe_of(case), data, folder / case / str(world))
            assert in_processes(world, work), (case, world)
        found[case] = {str(world): differences(folder / case / "1", folder / case / str(world)) for world in (2, 3)}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
