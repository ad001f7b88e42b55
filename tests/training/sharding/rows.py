"""A sharded table in 2 processes beside a whole one: `python -m tests.training.sharding.rows FOLDER`.

Prints what differs. As `together`, one interpreter imports everything and forks.

Legend: B rows, F fields, H hotness, D embedding dim, N rows of a table.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from shortlist.features.rows import Floats
from shortlist.nn.batch import Bag
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.mapped import WEIGHT
from shortlist.nn.ranks import connected, rank
from shortlist.nn.sharded import tables_sharded
from shortlist.recipe.sections import Sharding
from shortlist.recipe.training import Optimiser
from shortlist.schema import Column, Kind, Side
from shortlist.training.optimisers import build_optimisers
from shortlist.training.rowwise_adagrad import RowWiseAdagrad
from shortlist.training.sharding.files import ShardedTables
from shortlist.training.sharding.package import torchrec
from tests.training.together import in_processes

STEPS, BATCH, LARGE = 4, 6, 4_000_000
FREQUENT = 30
SIZES = (40, 7, 1)
FIELDS = [
    Column(name=f"context.{i}", side=Side.CONTEXT, kind=Kind.FIELD, size=size, offset=sum(SIZES[:i]))
    for i, size in enumerate(SIZES)
]
COMPRESSED = {"context.0": 9}
WAYS: dict[str, tuple[Sharding, int, int, float]] = {
    "row_wise": ("row_wise", 2, 8, 0.0),
    "row_wise of 3": ("row_wise", 3, 8, 0.0),
    "row_wise, penalised": ("row_wise", 2, 8, 0.1),
    "row_wise, widened": ("row_wise", 2, 5, 0.1),
    "table_wise": ("table_wise", 2, 8, 0.0),
    "table_wise, widened": ("table_wise", 3, 5, 0.1),
    "column_wise": ("column_wise", 2, 8, 0.0),
    "alone": ("row_wise", 1, 6, 0.1),
}
"""Each with the processes, the dim and the penalty."""


def table(dim: int) -> StackedEmbedding:
    torch.manual_seed(1)
    return StackedEmbedding(FIELDS, dim, std=0.5, compress=COMPRESSED)


def batch(step: int, part: int) -> tuple[Tensor, Bag, Tensor]:
    """ids_BF, a bag of the first field, and factors of a loss: those of one process. Some ids come several times."""
    random = torch.Generator().manual_seed(100 * step + part)
    ids_BF = torch.stack([torch.randint(size, (BATCH,), generator=random) for size in SIZES], 1)
    values_BH = torch.randint(SIZES[0], (BATCH, 3), generator=random)
    length_B = torch.randint(4, (BATCH,), generator=random)
    ids_BF += torch.tensor([column.offset for column in FIELDS])
    return ids_BF.int(), Bag(values_BH.int(), length_B), torch.randn(BATCH, generator=random)


def loss(model: StackedEmbedding, step: int, part: int) -> Tensor:
    """Two look-ups as a model has them, one after the other. It is not linear in the vectors."""
    ids_BF, bag, factor_B = batch(step, part)
    vectors_BFD = model(ids_BF, FIELDS)
    pooled_BD = model.pooled(bag, FIELDS[0])
    total: Tensor = ((vectors_BFD.sum(1) * pooled_BD).sum(1).sin() * factor_B + vectors_BFD.square().sum((1, 2))).sum()
    return total


def sharded(folder: Path, sharding: Sharding, dim: int, l2: float) -> None:
    """The steps; what came of them lies in the folder, with what the table began with, and what it says afterwards."""
    with tables_sharded(sharding):
        model = table(dim)
    with connected():
        (optimiser,) = build_optimisers(model, {"embedding": Optimiser(name="rowwise_adagrad", lr=0.3, l2=l2)})
        tables = ShardedTables.of(model, folder / "checkpoints")
        assert tables is not None
        tables.start(1, None)
        for step in range(STEPS):
            optimiser.zero_grad()
            loss(model, step, rank()).backward()
            optimiser.step()
        tables.start(2, None)
        model.eval()
        with torch.inference_mode():
            said = model(batch(0, rank())[0], FIELDS)
        np.save(folder / f"said-{rank()}.npy", said.numpy())
        if rank() == 0:
            for number in (1, 2):
                tables.check(number)
                tables.roll_back(number)
                tables.keep(folder / str(number))


def moved(folder: Path, sharding: Sharding, number: int) -> None:
    """What two processes wrote, read by others that part the table otherwise, and written by them as `number`."""
    with tables_sharded(sharding):
        model = table(8)
    with connected():
        build_optimisers(model, {"embedding": Optimiser(name="rowwise_adagrad", lr=0.3)})
        tables = ShardedTables.of(model, folder / "checkpoints")
        assert tables is not None
        tables.go_on(2, None)
        tables.start(number, None)


def held(folder: Path, number: int, what: str) -> Floats:
    """All that the processes wrote, in the order of the rows."""
    found: dict[int, Floats] = {}
    for path in (folder / "checkpoints" / f"{number:06d}").glob(f"*.{what}.f32"):
        _, first, step, rows, _, _ = map(int, path.name.split(".")[:6])
        values = np.fromfile(path, np.float32).reshape(rows, -1)
        found.update(zip(range(first, first + rows * step, step), values, strict=True))
    return np.stack([found[row] for row in sorted(found)])


def skewed(folder: Path) -> None:
    """A step of which every process asks for the first rows alone; leaves how many rows each has learned."""
    column = Column(name="context.skewed", side=Side.CONTEXT, kind=Kind.FIELD, size=1000, offset=0)
    with tables_sharded("row_wise"):
        model = StackedEmbedding([column], 8)
    with connected():
        (optimiser,) = build_optimisers(model, {"embedding": Optimiser(name="rowwise_adagrad", lr=0.3)})
        model(torch.arange(FREQUENT)[:, None], [column]).square().sum().backward()
        optimiser.step()
        tables = ShardedTables.of(model, folder / "checkpoints")
        assert tables is not None
        tables.start(1, None)
    (sums,) = (folder / "checkpoints" / "000001").glob(f"0.{rank()}.*.sum.f32")
    (folder / f"learned-{rank()}").write_text(str(np.count_nonzero(np.fromfile(sums, np.float32))))


def large(folder: Path) -> None:
    """A step of a table of 488 MiB, a checkpoint and what is kept; leaves how much memory that took at most."""
    column = Column(name="context.large", side=Side.CONTEXT, kind=Kind.FIELD, size=LARGE, offset=0)
    before = most_memory()
    with tables_sharded("row_wise"):
        model = StackedEmbedding([column], 32)
    with connected():
        (optimiser,) = build_optimisers(model, {"embedding": Optimiser(name="rowwise_adagrad", lr=0.3)})
        model(torch.arange(rank(), LARGE, 1000)[:, None], [column]).square().sum().backward()
        optimiser.step()
        tables = ShardedTables.of(model, folder / "checkpoints")
        assert tables is not None
        tables.start(1, None)
        if rank() == 0:
            tables.roll_back(1)
            tables.keep(folder / "kept")
    (folder / f"memory-{rank()}").write_text(str((most_memory() - before) / (LARGE * 32 * 4)))


def most_memory() -> int:
    """Bytes that the process has had at most."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def whole(processes: int, sharding: Sharding, dim: int, l2: float) -> Iterator[Floats]:
    """The table before the steps and after them, in one process; by columns each part has an optimiser of its own."""
    model = table(dim)
    weight = model.table.weight
    yield weight.detach().numpy().copy()
    parts = weight.detach().chunk(processes if sharding == "column_wise" else 1, dim=1)
    leaves = [torch.nn.Parameter(part.clone()) for part in parts]
    optimiser = RowWiseAdagrad(leaves, 0.3, l2=l2)
    for step in range(STEPS):
        whole_loss = torch.stack([loss(model, step, part) for part in range(processes)]).sum()
        (gradient_ND,) = torch.autograd.grad(whole_loss, weight)
        rows = gradient_ND.abs().sum(1).nonzero()[:, 0]
        for leaf, gradient in zip(leaves, gradient_ND.chunk(len(leaves), dim=1), strict=True):
            leaf.grad = torch.sparse_coo_tensor(rows[None], gradient[rows], gradient.shape, is_coalesced=True)
        optimiser.step()
        weight.data.copy_(torch.cat([leaf.detach() for leaf in leaves], 1))
    yield weight.detach().numpy()
    model.eval()
    yield torch.cat([model(batch(0, part)[0], FIELDS) for part in range(processes)]).detach().numpy()


def main(place: str) -> None:
    """Print as JSON of each way what differs: at the beginning, after the steps, and as looked up then."""
    torchrec("torchrec")
    folders = {way: Path(place) / way for way in WAYS}
    for way, (sharding, processes, dim, l2) in WAYS.items():
        folders[way].mkdir(parents=True)
        assert in_processes(processes, partial(sharded, folders[way], sharding, dim, l2)), way
    assert in_processes(3, partial(moved, folders["row_wise"], "table_wise", 3))
    assert in_processes(3, partial(moved, folders["row_wise"], "row_wise", 4))
    assert in_processes(3, partial(skewed, Path(place) / "skewed"))
    assert in_processes(2, partial(large, Path(place)))
    # Only now, for torch must not have been used before a fork.
    found = {}
    for way, (sharding, processes, dim, l2) in WAYS.items():
        expected = list(whole(processes, sharding, dim, l2))
        kept = [np.fromfile(folders[way] / str(n) / "0" / WEIGHT, np.float32).reshape(-1, dim) for n in (1, 2)]
        said = np.concatenate([np.load(folders[way] / f"said-{part}.npy") for part in range(processes)])
        found[way] = [float(np.abs(ours - theirs).max()) for ours, theirs in zip([*kept, said], expected, strict=True)]
        found[way].append(float(np.abs(expected[1] - expected[0]).max()))
    for what in ("weight", "sum"):
        before, *after = (held(folders["row_wise"], number, what) for number in (2, 3, 4))
        assert before.any()
        found[f"moved {what}"] = [float(np.abs(values - before).max()) for values in after]
    found["learned"] = [int((Path(place) / "skewed" / f"learned-{part}").read_text()) for part in range(3)]
    found["memory"] = [float((Path(place) / f"memory-{part}").read_text()) for part in range(2)]
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
