"""The benchmark of sequences: what all contestants train on, and ours held between rounds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import command
from benchmarks.harness import Options
from benchmarks.sequence_data import FILE, Sequences, made_up, sequences, write
from benchmarks.sequence_ours import held_fit
from benchmarks.sequence_training import BATCH, Task
from shortlist.core.errors import UserError

LENGTH = 12


def lists(of: Sequences) -> list[list[int]]:
    return [part.tolist() for part in np.split(of.item_n, of.offsets_U[1:-1])]


def test_the_last_items_of_the_first_users() -> None:
    of = Sequences(np.arange(1, 10, dtype=np.int32), np.array([0, 2, 6, 9]))

    assert lists(of.last(3)) == [[1, 2], [4, 5, 6], [7, 8, 9]]
    assert lists(of.first(2)) == [[1, 2], [3, 4, 5, 6]]


def test_made_up_sequences_are_of_their_seed() -> None:
    first, again, other = (made_up(seed, users=200, items=50) for seed in (0, 0, 1))

    assert np.array_equal(first.item_n, again.item_n)
    assert not np.array_equal(first.offsets_U, other.offsets_U)
    assert (first.item_n.min(), first.item_n.max()) == (1, 50)
    assert np.diff(first.offsets_U).min() >= 18


def test_real_ones_are_read_from_the_folder_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "ml-1m").mkdir()
    pq.write_table(pa.table({"sasrec_items": [[3, 1], [2, 2, 5]]}), tmp_path / "ml-1m" / FILE)

    assert lists(sequences(Options(data=tmp_path))) == [[3, 1], [2, 2, 5]]
    with pytest.raises(UserError, match=FILE):
        sequences(Options(data=tmp_path / "elsewhere"))


def test_ours_trains_on_every_sequence_once(tmp_path: Path) -> None:
    of = made_up(0, users=2 * BATCH + 9, items=50).last(LENGTH + 3)
    write(tmp_path / "data", of)
    task = Task(str(tmp_path / "data"), dim=8, blocks=1, length=LENGTH, dropout=0.1, seed=0)
    item_n, offsets_U = task.read()
    fit = held_fit(task, tmp_path / "checkpoints")

    assert (len(item_n), int(offsets_U[-1])) == (len(of.item_n) - 2 * of.users,) * 2
    assert [part.tolist() for part in np.split(item_n, offsets_U[1:-1])] == [items[:-2] for items in lists(of)]
    first, rest = fit.train(1), fit.train(2)
    assert first["rows"] + rest["rows"] == of.users
    assert first["cpu_s"] > 0


@pytest.mark.slow
def test_quick_mode_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main(["sequence", "--quick", "--json", "--work", str(tmp_path)]) == 0
    found = json.loads(capfd.readouterr().out)
    assert found["ours"] > 0
    assert found["details"]["sizes"]["length"] == 20
