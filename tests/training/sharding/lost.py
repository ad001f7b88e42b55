"""A process that is killed while another waits for it in a table's look-up: `python -m tests.training.sharding.lost`.

Prints what the other one says. As `together`, one interpreter imports everything and forks.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Any

from shortlist.nn.ranks import RankLost, connected, rank
from shortlist.nn.sharded import sharded_table, tables_sharded
from shortlist.recipe.training import Optimiser
from shortlist.training.optimisers import build_optimisers
from shortlist.training.sharding.package import torchrec
from tests.training.sharding.rows import loss, table
from tests.training.together import in_processes

MOMENTS = ("rows", "vectors", "gradients")
"""What the first process waits for as the second is killed."""


def die(*_: Any) -> None:
    """As a process ends whose host is lost."""
    os.kill(os.getpid(), signal.SIGKILL)


def lost(said: Path, moment: str) -> None:
    """One step in which the second process is killed; leaves what the first one makes of it."""
    with tables_sharded("row_wise"):
        model = table(8)
    with connected():
        (optimiser,) = build_optimisers(model, {"embedding": Optimiser(name="rowwise_adagrad", lr=0.3)})
        if rank() == 1:
            held = [found.held for found in map(sharded_table, model.parameters()) if found is not None]
            rows: Any = held[0]
            place, name = {
                "rows": (rows._collection, "input_dist"),
                "vectors": (rows._collection, "output_dist"),
                "gradients": (rows, "update"),
            }[moment]
            setattr(place, name, die)
        try:
            loss(model, 0, rank()).backward()
            optimiser.step()
        except RankLost as error:
            said.write_text(str(error))


def main(place: str) -> None:
    """Print as JSON what is said at each moment."""
    torchrec("torchrec")
    said = {moment: Path(place) / moment for moment in MOMENTS}
    for moment, path in said.items():
        assert not in_processes(2, partial(lost, path, moment)), moment
    print(json.dumps({moment: path.read_text() for moment, path in said.items() if path.exists()}))


if __name__ == "__main__":
    main(sys.argv[1])
