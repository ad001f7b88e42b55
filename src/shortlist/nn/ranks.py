"""The processes that train one model together, the ranks, and what they tell one another.

Each has the whole model and a part of every batch. What depends on all rows of a batch goes through here: the loss, the
vectors that requests are contrasted with, validation. A process alone neither waits nor copies.

Legend: R rows of a rank, D dim.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from shortlist.core.errors import EnvironmentFault
from shortlist.core.profile import span

PATIENCE = timedelta(minutes=30)
"""How long a rank waits for the others before it takes them for dead; one whose process ends is noticed at once."""


_GONE = re.compile("connection|peer|timed? ?out", re.IGNORECASE)
"""What gloo, which raises nothing more telling than RuntimeError, says when it is the other end that has failed."""


class RankLost(EnvironmentFault):
    """Another rank does not answer any more: what it failed of is not known here."""


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Who this process is among those that train together."""

    rank: int
    world: int
    device: torch.device
    """What is told travels from and to here."""


_joined: _Ranks | None = None


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Be one of the ranks until the block ends; what they tell one another travels from and to `device`."""
    global _joined  # noqa: PLW0603  # a loss is a plain function of outputs, and must not carry the ranks along
    was_connected = dist.is_initialized()
    if not was_connected:
        connect()
    _joined = _Ranks(dist.get_rank(), dist.get_world_size(), device)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    try:
        yield
    finally:
        _joined = None
        if not was_connected:
            dist.destroy_process_group()


def connect() -> None:
    """Meet the processes of which torch's environment variables tell (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT).

    What lies on a GPU will travel by NCCL, all else by gloo.
    """
    dist.init_process_group(_backend(), timeout=PATIENCE)


def _backend() -> str:
    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


@contextlib.contextmanager
def connected() -> Iterator[None]:
    """Have a process group until the block ends, also as a process alone: TorchRec asks for one."""
    if dist.is_initialized():
        yield
        return
    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group(_backend(), store=store, rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """This process's number, from 0; that of a process alone is 0."""
    return 0 if _joined is None else _joined.rank


def world() -> int:
    """How many processes train together."""
    return 1 if _joined is None else _joined.world


def total(*parts: Tensor) -> tuple[Tensor, ...]:
    """Sums of scalars over all ranks, for a loss that each of them then computes as a whole.

    Its gradient by this rank's part is this rank's: the gradients of all ranks are added up afterwards.
    """
    if _joined is None:
        return parts
    summed: Tensor = _Total.apply(torch.stack(parts))  # type: ignore[no-untyped-call]
    return tuple(summed.unbind())


def everywhere(value: Tensor) -> Tensor:
    """The sum over all ranks of what each goes on to compute something else from, such as the sums of a batch norm."""
    if _joined is None:
        return value
    found: Tensor = _Everywhere.apply(value)  # type: ignore[no-untyped-call]
    return found


def together(rows_RD: Tensor) -> Tensor:
    """The rows of all ranks, those of the first rank first; each has as many. Gradients find their way back."""
    if _joined is None:
        return rows_RD
    found: Tensor = _Together.apply(rows_RD)  # type: ignore[no-untyped-call]
    return found


def added(value: Tensor) -> Tensor:
    """The sum of a tensor over all ranks, without gradients; on the tensor's own device."""
    if _joined is None:
        return value
    sent = value.detach().to(_joined.device, copy=True)
    with communicating():
        dist.all_reduce(sent)
    return sent.to(value.device)


def gathered(rows_R: Tensor, counts: Sequence[int] = ()) -> list[Tensor]:
    """Every rank's rows, of which each may have another number, on the tensor's own device; without gradients.

    `counts` are those numbers, where they are known already.
    """
    if _joined is None:
        return [rows_R]
    if not counts:
        counts = [int(other) for other in all_gathered(torch.tensor([len(rows_R)]))]
    # What travels together has one shape.
    sent = rows_R.new_zeros((max(counts), *rows_R.shape[1:]), device=_joined.device)
    sent[: len(rows_R)] = rows_R.detach()
    return [part[:number].to(rows_R.device) for part, number in zip(all_gathered(sent), counts, strict=True)]


def all_gathered(sent: Tensor) -> list[Tensor]:
    """Every rank's tensor, all of one shape."""
    if _joined is None:
        return [sent]
    sent = sent.to(_joined.device).contiguous()
    found = [torch.empty_like(sent) for _ in range(_joined.world)]
    with communicating():
        dist.all_gather(found, sent)
    return found


def agreed(value: float) -> float:
    """What the first rank says: decisions must not hang on a last bit that may differ between machines."""
    if _joined is None:
        return value
    said = torch.tensor([value], dtype=torch.float64, device=_joined.device)
    with communicating():
        dist.broadcast(said, 0)
    return float(said)


@contextlib.contextmanager
def communicating() -> Iterator[None]:
    """Time that counts as communication, by torch or by TorchRec; RankLost where it fails of another rank."""
    with span("communicate"):
        try:
            yield
        except RuntimeError as error:
            if isinstance(error, dist.DistError) or _GONE.search(str(error)):
                raise RankLost(f"a process that trains with this one does not answer any more: {error}") from error
            raise


class _Total(torch.autograd.Function):
    """A sum over the ranks, whose gradient is taken as it comes: every rank has the same one."""

    @staticmethod
    def forward(ctx: Any, parts: Tensor) -> Tensor:
        """The sums."""
        return added(parts)

    @staticmethod
    def backward(ctx: Any, *of_sums: Tensor) -> Tensor:
        """As they come."""
        return of_sums[0]


class _Everywhere(torch.autograd.Function):
    """A sum over the ranks. What each rank makes of it adds to its gradient."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        """The sum."""
        return added(value)

    @staticmethod
    def backward(ctx: Any, *of_sum: Tensor) -> Tensor:
        """Of all ranks."""
        return added(of_sum[0])


class _Together(torch.autograd.Function):
    """The rows of all ranks. What each rank makes of a row adds to the row's gradient."""

    @staticmethod
    def forward(ctx: Any, rows_RD: Tensor) -> Tensor:
        """All rows."""
        return torch.cat(all_gathered(rows_RD.detach()))

    @staticmethod
    def backward(ctx: Any, *of_all: Tensor) -> Tensor:
        """This rank's."""
        return added(of_all[0]).chunk(world())[rank()]
