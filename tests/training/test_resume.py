"""A fit that was interrupted goes on to the same bits, wherever it was interrupted."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from shortlist.core.errors import DataError, EnvironmentFault
from shortlist.core.progress import Silent
from shortlist.training import checkpoint
from shortlist.training.checkpoint import Checkpoint, Checkpoints
from shortlist.training.precision import Precision
from tests.training.fitted import EPOCHS, IDENTITY, SETTINGS, STEPS, Task, bits, run


class Interrupted(Exception):
    """What stops a fit here."""


class Written(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, stage: str, message: str) -> None:
        self.lines.append(f"{stage}: {message}")


def raising(*when: tuple[int, int]) -> Callable[[int, int], None]:
    """Interrupts before the batches `when`, each an epoch and a number."""

    def before(epoch: int, batch: int) -> None:
        if (epoch, batch) in when:
            raise Interrupted

    return before


def interrupted(folder: Path, *when: tuple[int, int], seconds: float = 0.0, precision: Precision | None = None) -> Task:
    """A task whose fit was interrupted at each of the places, and then went on to its end in a new process's state."""
    for place in when:
        task = Task()
        task.before = raising(place)
        with pytest.raises(Interrupted):
            run(task, folder, seconds=seconds, precision=precision)
        torch.manual_seed(12345)
    task = Task()
    run(task, folder, seconds=seconds, precision=precision)
    return task


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The bits of a fit that was never interrupted, and never wrote a checkpoint in the middle of an epoch."""
    task = Task()
    run(task, tmp_path_factory.mktemp("whole"), seconds=1e9)
    return bits(task.model)


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (0, STEPS - 1), (1, 0), (1, 3), (2, STEPS - 1), (-1, 0)])
def test_it_goes_on_to_the_same_bits(place: tuple[int, int], whole: dict[str, bytes], tmp_path: Path) -> None:
    assert bits(interrupted(tmp_path, place).model) == whole


def test_it_goes_on_after_many_interruptions(whole: dict[str, bytes], tmp_path: Path) -> None:
    places = [(epoch, batch) for epoch in range(EPOCHS) for batch in range(1, STEPS)]

    assert bits(interrupted(tmp_path, *places).model) == whole


def test_without_checkpoints_within_an_epoch_it_goes_on_from_the_last_one(
    whole: dict[str, bytes], tmp_path: Path
) -> None:
    done: list[tuple[int, int]] = []
    task = Task()
    task.before = raising((1, 3))
    with pytest.raises(Interrupted):
        run(task, tmp_path, seconds=1e9)
    task = Task()
    task.before = lambda epoch, batch: done.append((epoch, batch))
    run(task, tmp_path, seconds=1e9)

    assert done[0] == (1, 0)
    assert bits(task.model) == whole


def test_fp16_goes_on_with_its_loss_scale(tmp_path: Path) -> None:
    half = Precision("fp16")
    uninterrupted = Task()
    run(uninterrupted, tmp_path / "whole", precision=half)

    assert bits(interrupted(tmp_path / "cut", (0, 3), (1, 2), precision=half).model) == bits(uninterrupted.model)


def test_the_curve_goes_on_too(tmp_path: Path) -> None:
    uninterrupted = run(Task(), tmp_path / "whole")
    task = Task()
    task.before = raising((1, 3))
    with pytest.raises(Interrupted):
        run(task, tmp_path / "cut", seconds=0)
    history = run(Task(), tmp_path / "cut", seconds=0)

    timeless = [{name: entry[name] for name in ("epoch", "train_loss", "valid")} for entry in uninterrupted]
    assert [{name: entry[name] for name in ("epoch", "train_loss", "valid")} for entry in history] == timeless


def test_it_says_from_where_it_goes_on(tmp_path: Path) -> None:
    task = Task()
    task.before = raising((1, 3))
    with pytest.raises(Interrupted):
        run(task, tmp_path, seconds=0)
    said = Written()
    run(Task(), tmp_path, reporter=said)

    assert said.lines[0].startswith(f"toy: going on from epoch 2, batch 3 of {STEPS} (checkpoint of ")


def test_a_fit_that_is_complete_trains_no_more(tmp_path: Path, whole: dict[str, bytes]) -> None:
    run(Task(), tmp_path)
    again = Task()
    again.before = raising(*((epoch, batch) for epoch in range(-1, EPOCHS) for batch in range(STEPS)))
    run(again, tmp_path)

    assert bits(again.model) == whole


def test_no_more_than_two_are_kept_and_the_best_weights_once(tmp_path: Path) -> None:
    task, scores = Task(), iter([3.0, 2.0, 1.0])
    task.validate = lambda: {"score": next(scores)}  # type: ignore[method-assign]
    run(task, tmp_path, seconds=0)
    kept = sorted(path for path in tmp_path.iterdir())

    assert len(kept) == 2
    files = [path for folder in kept for path in folder.iterdir()]
    best = {path.stat().st_ino for path in files if path.name == "best.safetensors"}
    assert len(best) == 1


@pytest.mark.parametrize("name", ["weights.safetensors", "state.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "zeros"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    name: str, damage: str, whole: dict[str, bytes], tmp_path: Path
) -> None:
    task = Task()
    task.before = raising((1, 3))
    with pytest.raises(Interrupted):
        run(task, tmp_path, seconds=0)
    newest = max(path for path in tmp_path.iterdir())
    break_file(newest / name, damage)
    said, again = Written(), Task()
    run(again, tmp_path, reporter=said)

    assert f"the checkpoint {newest.name} is damaged" in said.lines[0]
    assert "going on from epoch 2, batch 2 of" in said.lines[1]
    assert bits(again.model) == whole


def break_file(path: Path, damage: str) -> None:
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:-64] + bytes(64))


@pytest.mark.parametrize("fault", [RuntimeError("can't allocate memory"), PermissionError(13, "Permission denied")])
def test_what_is_no_damage_removes_no_checkpoint(
    fault: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(Task(), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    def fail(path: Path) -> None:
        raise fault

    monkeypatch.setattr(checkpoint, "load_file", fail)
    with pytest.raises(type(fault)):
        run(Task(), tmp_path)

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_was_read_is_not_held_while_it_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that fills half of the memory can go on."""
    task = Task()
    task.before = raising((1, 3))
    with pytest.raises(Interrupted):
        run(task, tmp_path, seconds=0)
    read: list[weakref.ref[torch.Tensor]] = []
    held: list[bool] = []

    def latest(self: Checkpoints, original: Callable[..., Checkpoint] = Checkpoints.latest) -> Checkpoint:  # type: ignore[assignment]
        found = original(self)
        read.extend(weakref.ref(weight) for weight in found.weights.values())
        return found

    monkeypatch.setattr(Checkpoints, "latest", latest)
    again = Task()
    again.before = lambda epoch, batch: held.append(any(weight() is not None for weight in read))
    run(again, tmp_path)

    assert read
    assert held
    assert not any(held)


def test_with_all_of_them_damaged_it_begins_anew(whole: dict[str, bytes], tmp_path: Path) -> None:
    task = Task()
    task.before = raising((0, 4))
    with pytest.raises(Interrupted):
        run(task, tmp_path, seconds=0)
    for folder in tmp_path.iterdir():
        (folder / "state.safetensors").write_bytes(b"")
    said, again = Written(), Task()
    run(again, tmp_path, reporter=said)

    assert len(said.lines) == 2
    assert bits(again.model) == whole


def beside_the_first(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """From here on this process looks for a checkpoint as the second of several, told by the first which it is."""
    monkeypatch.setattr(checkpoint, "rank", lambda: 1)
    monkeypatch.setattr(checkpoint, "agreed", lambda mine: float(number))


def test_it_goes_on_from_what_the_first_process_found_and_not_from_what_it_sees_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task()
    task.before = raising((1, 3))
    with pytest.raises(Interrupted):
        run(task, tmp_path, seconds=0)
    older, newest = sorted(tmp_path.iterdir())
    said, done = Written(), list[tuple[int, int]]()
    beside_the_first(monkeypatch, int(older.name))
    again = Task()
    again.before = lambda epoch, batch: done.append((epoch, batch))
    run(again, tmp_path, reporter=said, seconds=1e9)

    assert int(newest.name) == int(older.name) + 1
    assert "going on from epoch 2, batch 2 of" in said.lines[0]
    assert done[0] == (1, 2)


def test_that_it_begins_anew_is_the_first_processs_word_too(
    whole: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task()
    task.before = raising((1, 3))
    with pytest.raises(Interrupted):
        run(task, tmp_path, seconds=0)
    beside_the_first(monkeypatch, 0)
    again = Task()
    run(again, tmp_path, seconds=1e9)

    assert bits(again.model) == whole


@pytest.mark.parametrize("damage", ["cut", "gone", "zeros"])
def test_a_process_that_does_not_see_what_the_first_one_read_says_so_and_removes_nothing(
    damage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task()
    task.before = raising((1, 3))
    with pytest.raises(Interrupted):
        run(task, tmp_path, seconds=0)
    (tmp_path / ".000099.0123abcd.partial").mkdir()
    newest = max(path for path in tmp_path.iterdir() if path.name.isdecimal())
    break_file(newest / "state.safetensors", damage)
    before = sorted(tmp_path.rglob("*"))
    beside_the_first(monkeypatch, int(newest.name))

    with pytest.raises(EnvironmentFault, match=rf"process 2 on .* cannot go on from .*{newest.name} \(.*Every host"):
        run(Task(), tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("what", ["schema", "model"])
def test_a_checkpoint_of_something_else_is_refused(what: str, tmp_path: Path) -> None:
    run(Task(), tmp_path)

    with pytest.raises(DataError, match=rf"checkpoint of another {what}: expected x9, found .1\. Go on with .* remove"):
        run(Task(), tmp_path, identity={**IDENTITY, what: "x9"})


def test_a_half_written_checkpoint_is_swept_up(whole: dict[str, bytes], tmp_path: Path) -> None:
    task = Task()
    task.before = raising((1, 3))
    with pytest.raises(Interrupted):
        run(task, tmp_path, seconds=0)
    half = tmp_path / ".000099.0123abcd.partial"
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"half")
    again = Task()
    run(again, tmp_path)

    assert not half.exists()
    assert bits(again.model) == whole


def test_two_trainings_at_two_threads_give_equal_bits(tmp_path: Path) -> None:
    """Large enough that torch splits look-ups, products and updates between its threads."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = []
        for number in range(2):
            task = Task(rows=20_000, dim=16, hidden=128, batch=4096)
            run(task, tmp_path / str(number), settings=SETTINGS.model_copy(update={"epochs": 1}))
            found.append(bits(task.model))
    finally:
        torch.set_num_threads(threads)

    assert found[0] == found[1]
