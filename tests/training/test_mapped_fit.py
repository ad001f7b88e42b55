"""A fit whose tables are files: the same bits as in memory, after a kill at any moment, and at the best epoch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from shortlist.core.errors import UserError
from shortlist.nn.mapped import WEIGHT, MappedTable, mapped_table, tables_mapped_in
from shortlist.recipe.training import Optimiser, Training
from shortlist.training.optimisers import build_optimisers
from tests.training.fitted import EPOCHS, SETTINGS, STEPS, Task, bits, run

Name = Literal["rowwise_adagrad", "adagrad", "sparse_adam", "ftrl"]


class Interrupted(Exception):
    """What stops a fit here."""


def mapped(folder: Path) -> Task:
    """A task whose table is a file."""
    with tables_mapped_in(folder / "tables"):
        return Task()


def table_of(task: Task) -> MappedTable:
    table = mapped_table(task.model.table.table.weight)
    assert table is not None
    return table


def marks(task: Task) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
    return np.fromfile(table_of(task).folder / "marks.i32", np.int32)


def with_optimiser(name: Name) -> Training:
    return SETTINGS.model_copy(update={"embedding": Optimiser(name=name, lr=0.05)})


def scoring(task: Task, scores: Sequence[float]) -> Task:
    """The task with scripted validation scores."""
    given = iter(scores)
    task.validate = lambda: {"score": next(given)}  # type: ignore[method-assign]
    return task


def interrupt_before(task: Task, *place: int) -> Task:
    def before(epoch: int, batch: int) -> None:
        if (epoch, batch) == place:
            raise Interrupted

    task.before = before
    return task


@pytest.mark.parametrize("name", ["rowwise_adagrad", "adagrad", "sparse_adam", "ftrl"])
def test_rows_that_were_met_have_the_bits_of_a_table_in_memory(name: Name, tmp_path: Path) -> None:
    # Scores are scripted: validation meets rows that training did not, and those are zeros in a file.
    in_memory = scoring(Task(), [1, 2, 3])
    run(in_memory, tmp_path / "memory", settings=with_optimiser(name))
    in_file = scoring(mapped(tmp_path / "mapped"), [1, 2, 3])
    run(in_file, tmp_path / "mapped", settings=with_optimiser(name), seconds=0)
    met = torch.from_numpy(marks(in_file) != 0)

    assert met.any()
    assert not met.all()
    expected, found = bits(in_memory.model), bits(in_file.model)
    weight_ND = in_memory.model.table.table.weight.detach()
    expected["table.table.weight"] = torch.where(met[:, None], weight_ND, 0.0).numpy().tobytes()
    assert found == expected


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Task:
    """A task whose fit was never interrupted, and never wrote a checkpoint in the middle of an epoch."""
    folder = tmp_path_factory.mktemp("whole")
    task = mapped(folder)
    run(task, folder, seconds=1e9)
    return task


@pytest.mark.parametrize("place", [(0, 1), (1, 0), (2, STEPS - 1), (-1, 0)])
@pytest.mark.parametrize("seconds", [0, 1e9])
def test_it_goes_on_to_the_same_bits(place: tuple[int, int], seconds: float, whole: Task, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(interrupt_before(mapped(tmp_path / "cut"), *place), tmp_path / "cut", seconds=seconds)
    again = mapped(tmp_path / "cut")
    run(again, tmp_path / "cut", seconds=seconds)

    assert bits(again.model) == bits(whole.model)
    for name in ("state.sum.f32", WEIGHT):
        files = [table_of(task).folder / name for task in (whole, again)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_damaged_checkpoint_falls_back_to_the_one_before(whole: Task, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(interrupt_before(mapped(tmp_path / "cut"), 2, 3), tmp_path / "cut", seconds=0)
    newest = max((tmp_path / "cut").glob("0*"))
    (newest / "state.safetensors").unlink()
    again = mapped(tmp_path / "cut")
    run(again, tmp_path / "cut", seconds=0)

    assert bits(again.model) == bits(whole.model)


def test_without_any_checkpoint_the_table_begins_anew(whole: Task, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(interrupt_before(mapped(tmp_path / "cut"), 0, 4), tmp_path / "cut", seconds=1e9)
    assert marks(mapped(tmp_path / "cut")).any()
    again = mapped(tmp_path / "cut")
    run(again, tmp_path / "cut")

    assert bits(again.model) == bits(whole.model)


@pytest.mark.parametrize("seconds", [0, 1e9])
@pytest.mark.parametrize("scores", [[3, 2, 1], [1, 3, 2], [1, 2, 3]])
def test_the_best_epoch_is_kept(seconds: float, scores: list[float], tmp_path: Path) -> None:
    up_to_best = scoring(mapped(tmp_path / "short"), scores)
    run(up_to_best, tmp_path / "short", settings=SETTINGS.model_copy(update={"epochs": scores.index(3) + 1}))
    longer = scoring(mapped(tmp_path / "long"), scores)
    run(longer, tmp_path / "long", seconds=seconds)

    assert bits(longer.model) == bits(up_to_best.model)
    assert np.array_equal(marks(longer) != 0, marks(up_to_best) != 0)


def test_the_best_epoch_is_kept_through_interruptions(tmp_path: Path) -> None:
    scores = [3, 2, 1]
    whole = scoring(mapped(tmp_path / "whole"), scores)
    run(whole, tmp_path / "whole")
    for epoch in range(EPOCHS):
        for batch in range(1, STEPS, 2):
            task = scoring(mapped(tmp_path / "cut"), scores[epoch:])
            with pytest.raises(Interrupted):
                run(interrupt_before(task, epoch, batch), tmp_path / "cut", seconds=0)
    again = scoring(mapped(tmp_path / "cut"), scores[-1:])
    run(again, tmp_path / "cut", seconds=0)

    assert bits(again.model) == bits(whole.model)


@pytest.mark.parametrize("seconds", [0, 1e9])
def test_a_fit_that_stopped_is_not_gone_on_with(seconds: float, tmp_path: Path) -> None:
    """As by a process that was killed after the table went back to the best epoch, before the result was written."""
    task = scoring(mapped(tmp_path), [1, float("nan")])
    history = run(task, tmp_path, seconds=seconds)
    again = mapped(tmp_path)
    made: list[tuple[int, int]] = []
    again.before = lambda epoch, batch: made.append((epoch, batch))

    assert run(again, tmp_path, seconds=seconds) == history
    assert made == []
    assert bits(again.model) == bits(task.model)


def test_what_is_kept_for_the_best_epoch_is_no_larger_than_the_table(tmp_path: Path) -> None:
    task = scoring(mapped(tmp_path), [3, 2, 1])
    run(task, tmp_path, seconds=0)
    table = table_of(task)
    journals = sorted(path.name for path in (table.folder / "journal").iterdir())
    rows = sum(len(record.rows_R) for record in table.journal.since(0))

    assert len([name for name in journals if name.endswith(".again")]) <= 2
    assert rows <= 3 * table.rows


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        (Optimiser(name="adamw"), "found adamw"),
        (Optimiser(name="sgd"), "found sgd"),
    ],
)
def test_an_optimiser_of_whole_tables_is_refused(choice: Optimiser, found: str, tmp_path: Path) -> None:
    task = mapped(tmp_path)

    with pytest.raises(UserError, match=rf"expected one of rowwise_adagrad, .*, {found}\. Choose"):
        build_optimisers(task.model, {"embedding": choice, "dense": Optimiser()})


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from tests.training.fitted import run
from tests.training.test_mapped_fit import mapped

torch.set_num_threads(1)
folder, seed = Path(sys.argv[1]), int(sys.argv[2])
random.seed(seed)
# What is imported late is imported now: each child would do it again.
run(mapped(folder / "other"), folder / "other")
for kills in range(9):
    child = os.fork()
    if child == 0:
        run(mapped(folder / "cut"), folder / "cut", seconds=0)
        os._exit(0)
    if kills < 8:
        time.sleep(random.uniform(0, 0.4))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_again_and_again_it_comes_to_the_same_bits(seed: int, whole: Task, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), str(seed)], check=True, timeout=100)
    again = mapped(tmp_path / "cut")
    run(again, tmp_path / "cut")

    assert bits(again.model) == bits(whole.model)
