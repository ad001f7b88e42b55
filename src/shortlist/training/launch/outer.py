"""Under somebody's own torchrun: `torchrun --nproc-per-node 2 -m shortlist.cli train recipe.toml`.

All processes call the same command. The first one does everything; the others take part in what it trains.
"""

from __future__ import annotations

import atexit
import os
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed as dist

from shortlist.core.errors import UserError
from shortlist.core.progress import Reporter, Silent
from shortlist.nn.ranks import connect, joined
from shortlist.recipe.sections import Compute
from shortlist.training.device import choose_device
from shortlist.training.launch.work import Work

_FOREVER = timedelta(days=365)
"""Tables may take long to prepare. Where a process ends the others are ended by torchrun."""
_line: dist.ProcessGroup | None = None
"""Over which the others are told where the work lies."""


def is_outer() -> bool:
    """Whether torchrun has begun this process and others beside it."""
    return "TORCHELASTIC_RUN_ID" in os.environ and _world() > 1


def begin() -> bool:
    """Meet the others. True for the first process, which goes on; the others train as it does, to its end: False."""
    global _line  # noqa: PLW0603  # there is one torchrun around a process
    connect()
    _line = dist.new_group(backend="gloo", timeout=_FOREVER)
    if dist.get_rank() == 0:
        atexit.register(_tell, "")
        return True
    while place := _told():
        work = Work.read(Path(place))
        with joined(choose_device(work.recipe.compute)):
            work.do(Silent())
    return False


def lead(work: Work, place: Path, reporter: Reporter) -> None:
    """Train with the others what lies in `place`."""
    check_processes(work.recipe.compute)
    _tell(str(place))
    try:
        with joined(choose_device(work.recipe.compute)):
            work.do(reporter)
    except BaseException:
        # The others may wait in the middle of a step, where nothing can be told them: torchrun ends them with this one.
        atexit.unregister(_tell)
        raise


def refuse(verb: str) -> None:
    """UserError under torchrun, for a command whose processes would each do all of the work in the same folder."""
    if is_outer():
        raise UserError(
            f"torchrun has begun {_world()} processes, and `{verb}` is the work of one, which starts others itself. "
            f"Call it without torchrun; `shortlist run` and `shortlist train` can be called with it."
        )


def check_processes(compute: Compute) -> None:
    """UserError where the recipe asks for something else than torchrun was told."""
    if compute.launcher != "torchrun" or compute.processes not in (1, _world()):
        raise UserError(
            f'torchrun has begun {_world()} processes, and the recipe asks for compute.launcher = "{compute.launcher}" '
            f"with compute.processes = {compute.processes}. Leave both out of the recipe, or call shortlist itself."
        )


def _world() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _tell(place: str) -> None:
    text = torch.tensor(list(place.encode()), dtype=torch.uint8)
    dist.broadcast(torch.tensor([len(text)]), 0, group=_line)
    if len(text):
        dist.broadcast(text, 0, group=_line)


def _told() -> str:
    """Where the next work lies; nothing at the end."""
    length = torch.zeros(1, dtype=torch.int64)
    dist.broadcast(length, 0, group=_line)
    text = torch.zeros(int(length), dtype=torch.uint8)
    if len(text):
        dist.broadcast(text, 0, group=_line)
    return bytes(text.tolist()).decode()
