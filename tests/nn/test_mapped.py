"""Tables in files: their rows begin when training meets them, and their journal brings back what they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from shortlist.core.errors import DataError
from shortlist.nn.batch import Bag
from shortlist.nn.beginning import Beginning
from shortlist.nn.embedding import StackedEmbedding
from shortlist.nn.journal import NO_BEST, Journal, Record
from shortlist.nn.map_file import map_file
from shortlist.nn.mapped import MappedTable, MappedTables, mapped_file, mapped_table, table_weight, tables_mapped_in
from shortlist.schema import Column, Kind, Side

DIM = 5
NORMAL = Beginning(seed=3, std=0.5)
COLUMN = Column(name="large", side=Side.ITEM, kind=Kind.BAG, size=100, offset=0)


def table_in(folder: Path, beginning: Beginning = NORMAL, rows: int = 20) -> MappedTable:
    with tables_mapped_in(folder):
        table = mapped_table(table_weight(rows, DIM, beginning))
    assert table is not None
    return table


def add_one(table: MappedTable, *rows: int) -> None:
    """A step of an optimiser whose state counts the steps of a row, from 10 on."""
    rows_R = torch.tensor(rows)
    table.begin(rows_R)
    weight_RD, state = table.take(rows_R, lambda weight: {"count": torch.full((len(weight),), 10.0)})
    state["count"] += 1
    table.put(rows_R, weight_RD + 1, state)


def contents(table: MappedTable) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in table.folder.glob("*.[fi]32")}


def test_the_values_of_a_row_are_its_own() -> None:
    """The same bits alone, in another order, and in a whole table."""
    whole_ND = np.empty((5000, DIM), np.float32)
    NORMAL.fill(whole_ND)
    some = np.array([4999, 0, 17, 2500])

    assert np.array_equal(NORMAL.vectors(some, DIM), whole_ND[some])
    assert np.array_equal(np.concatenate([NORMAL.vectors(np.array([row]), DIM) for row in some]), whole_ND[some])
    assert not np.array_equal(Beginning(seed=4, std=0.5).vectors(some, DIM), whole_ND[some])


def test_values_are_normal_and_know_nothing_of_one_another() -> None:
    values_ND = Beginning(seed=0, std=1.0).vectors(np.arange(200_000), DIM)
    flat = values_ND.ravel()

    # Moments of the normal distribution, within five standard errors of a million values.
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((flat.astype(np.float64) ** power).mean() - moment) < 5 * (variance / flat.size) ** 0.5
    between_columns = np.corrcoef(values_ND.T) - np.eye(DIM)
    between_rows = (values_ND[1:] * values_ND[:-1]).mean(0)
    assert max(np.abs(between_columns).max(), np.abs(between_rows).max()) < 5 / 200_000**0.5


def test_columns_of_zeros_and_rows_around_one() -> None:
    plain_ND = NORMAL.vectors(np.arange(10), DIM)
    beginning = Beginning(seed=3, std=0.5, zeros=2, around_one=(range(2, 4), range(7, 8)))
    found_ND = beginning.vectors(np.arange(10), DIM)

    expected_ND = plain_ND.copy()
    expected_ND[:, 3:] = 0
    expected_ND[[2, 3, 7]] += 1
    assert np.array_equal(found_ND, expected_ND)


def test_only_training_lets_rows_begin_and_only_those_it_meets(tmp_path: Path) -> None:
    torch.manual_seed(0)
    in_memory = StackedEmbedding([COLUMN], DIM, compress={"large": 10})
    torch.manual_seed(0)
    with tables_mapped_in(tmp_path):
        in_file = StackedEmbedding([COLUMN], DIM, compress={"large": 10})
    bag = Bag(torch.tensor([[42, 99, 0], [7, 0, 0]]), torch.tensor([2, 1]))

    assert torch.equal(in_file.eval().pooled(bag, COLUMN), torch.zeros(2, DIM))
    assert torch.equal(in_file.train().pooled(bag, COLUMN), in_memory.pooled(bag, COLUMN))
    met = sorted({4, 9, 0, 10 + 2, 10 + 9, 10 + 7})
    weight_ND = in_memory.table.weight.detach()
    assert torch.equal(in_file.table.weight[met], weight_ND[met])
    others = [row for row in range(20) if row not in met]
    assert not in_file.table.weight[others].any()


def test_a_row_may_begin_between_a_look_up_and_its_gradient(tmp_path: Path) -> None:
    """A weighted bag keeps the table for its backward pass, and another look-up writes into it before that."""
    with tables_mapped_in(tmp_path):
        table = StackedEmbedding([COLUMN], DIM)
    weight_BH = torch.ones(1, 2, requires_grad=True)
    first_BD = table.weighted(torch.tensor([[1, 2]]), weight_BH, COLUMN)
    second_BFD = table(torch.tensor([[50]]), [COLUMN])
    (first_BD.sum() + second_BFD.sum()).backward()

    assert weight_BH.grad is not None
    assert torch.allclose(weight_BH.grad[0], table.table.weight[[1, 2]].sum(1))


def test_it_goes_back_to_each_of_its_checkpoints(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    tables = MappedTables([table])
    steps = [(3, 4), (4, 5), (3, 5, 6), (5, 19), (6,), (3, 4, 5, 6)]
    known = []
    for number, rows in enumerate(steps, start=1):
        add_one(table, *rows)
        tables.start(number, 2 if number >= 2 else None)
        known.append(contents(table))
    for number in range(len(steps), 0, -1):
        add_one(table, 0, 3, 7)
        tables.roll_back(number)
        assert contents(table_in(tmp_path)) == known[number - 1]
        tables.start(number, NO_BEST)


def test_a_process_killed_while_it_drops_journals_still_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the older journal the newer one would lead to its own checkpoint alone."""
    table = table_in(tmp_path)
    tables = MappedTables([table])
    add_one(table, 3, 4)
    tables.start(1, None)
    known = contents(table)
    add_one(table, 3, 5)
    tables.start(2, None)
    add_one(table, 3, 6)
    tables.roll_back(1)

    unlink, calls = Path.unlink, iter((True, False))

    def killed(path: Path) -> None:
        if not next(calls):
            raise KeyboardInterrupt
        unlink(path)

    # The order of the files in a folder is anybody's.
    monkeypatch.setattr(Journal, "_files", lambda self, files=Journal._files: sorted(files(self)))
    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        tables.start(1, None)
    monkeypatch.undo()
    again = table_in(tmp_path)
    again.roll_back(1)

    assert contents(again) == known


def test_the_best_checkpoint_outlives_those_after_it(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    tables = MappedTables([table])
    add_one(table, 1, 2, 3)
    tables.start(1, 1)
    best = contents(table)
    for number in range(2, 9):
        add_one(table, 2, 3, 2 + number)
        tables.start(number, 1)
        tables.forget(number - 1, 1)
    kept = [row for record in table.journal.since(0) for row in record.rows_R.tolist()]

    # What changed since the best one, each row once; and rows 2 and 3 as they were at the checkpoint before the newest.
    assert sorted(kept) == [2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 10]
    tables.roll_back(1)
    assert contents(table) == best


def test_clearing_makes_it_new(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    add_one(table, 1, 2)
    MappedTables([table]).clear()

    assert not table.parameter.any()
    assert set(contents(table)) == {"weight.f32", "marks.i32"}
    add_one(table, 2)
    other = table_in(tmp_path / "other")
    add_one(other, 2)
    assert contents(table) == contents(other)


def test_a_record_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    whole = Record(np.array([4, 7]), np.array([0, 1], np.int32), np.ones((2, 3), np.float32))
    journal.append(whole)
    (path,) = tmp_path.iterdir()
    size = path.stat().st_size
    journal.append(whole)
    content = path.read_bytes()

    for cut in range(size, len(content)):
        path.write_bytes(content[:cut])
        (found,) = journal.since(0)
        assert found.rows_R.tolist() == [4, 7]
    path.write_bytes(content)
    assert len(list(journal.since(0))) == 2


def test_a_trained_table_is_only_read(tmp_path: Path) -> None:
    table = table_in(tmp_path)
    add_one(table, 1, 2)
    MappedTables([table]).keep(tmp_path / "kept")
    with tables_mapped_in(tmp_path / "kept", trained=True):
        parameter = table_weight(20, DIM, NORMAL)

    assert mapped_file(parameter) == tmp_path / "kept" / "0" / "weight.f32"
    assert mapped_table(parameter) is None
    assert torch.equal(parameter, table.parameter)
    assert (tmp_path / "kept" / "0" / "weight.f32").stat().st_ino == (table.folder / "weight.f32").stat().st_ino


def test_a_table_takes_no_space_before_its_rows_are_met(tmp_path: Path) -> None:
    table = table_in(tmp_path, rows=50_000_000)
    add_one(table, 0, 49_999_999)

    assert sum(path.stat().st_size for path in table.folder.glob("*.[fi]32")) > 10**9
    assert sum(path.stat().st_blocks * 512 for path in table.folder.glob("*.[fi]32")) < 10**6


@pytest.mark.parametrize(("rows", "found"), [(21, r"has 400 bytes, expected 420"), (None, "is missing, expected 400")])
def test_another_table_is_refused(rows: int | None, found: str, tmp_path: Path) -> None:
    if rows is not None:
        map_file(tmp_path / "weight.f32", (20, DIM))

    with pytest.raises(DataError, match=rf"weight\.f32 {found} bytes\. Train again"):
        map_file(tmp_path / "weight.f32", (rows or 20, DIM), read_only=True)


def test_tables_are_in_memory_outside_of_the_block(tmp_path: Path) -> None:
    with tables_mapped_in(tmp_path):
        weights: list[Tensor] = [table_weight(20, DIM, NORMAL), table_weight(0, DIM, NORMAL)]
    weights.append(table_weight(20, DIM, NORMAL))

    assert [mapped_file(weight) is not None for weight in weights] == [True, False, False]
    assert [path.name for path in tmp_path.iterdir()] == ["0"]
