"""Several processes at once, and processes that are killed: nothing acknowledged is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shortlist.state import State, StateEvent, open_state
from shortlist.state.lmdb_state import LmdbState

WRITE = """
import sys
from shortlist.state import StateEvent, open_state
address, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
state = open_state(address)
for number in range(count):
    told = [StateEvent("ann", f"{name}-{number}", 1_000 + number, name), StateEvent(name, number, number)]
    assert state.append(told) == [True, True]
    print(number, flush=True)
"""


def writer(address: str, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITE, address, name, str(count)], stdout=subprocess.PIPE, text=True)


def test_a_killed_writer_loses_nothing_that_it_acknowledged(address: str) -> None:
    process = writer(address, "killed", 1_000_000)
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().splitlines() if line]
    process.wait(30)
    process.stdout.close()

    state = open_state(address)
    ann, other = state.user("ann"), state.user("killed")
    assert ann is not None
    assert other is not None
    # One more may have been kept before it could say so; of a batch both events are there, or neither.
    assert len(other.items) - len(acknowledged) in {0, 1}
    assert other.items == list(range(len(other.items)))
    assert ann.items == [f"killed-{number}" for number in other.items]
    # The lock of the killed writer is nobody's: the next one writes at once.
    assert state.append([StateEvent("ann", "after", 5_000)]) == [True]
    state.close()


def test_two_processes_write_one_user(address: str, state: State) -> None:
    processes = [writer(address, name, 25) for name in ("one", "two")]
    for process in processes:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert len(said.splitlines()) == 25

    ann = state.user("ann")
    assert ann is not None
    assert set(ann.items) == {f"{name}-{number}" for name in ("one", "two") for number in range(25)}
    assert ann.times_L.tolist() == sorted(ann.times_L.tolist())
    assert state.counts("one-3") == {"one": 1}
    assert state.counts(3) == {None: 2}


def test_the_map_grows_under_readers_and_writers_of_other_processes(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    small = LmdbState(folder, first_map=2**17)
    small.append([StateEvent("ann", "first", 5)])
    process = writer(str(folder), "other", 5)
    assert process.wait(120) == 0
    for number in range(40):
        small.append([StateEvent(number * 100 + place, "x" * 900, 5) for place in range(100)])
    assert (folder / "data.mdb").stat().st_size > 2**21
    # This one began with the small map, too, before the others made it larger.
    assert small.user("ann") is not None
    small.close()

    again = LmdbState(folder, first_map=2**17)
    assert again.user(3_999) is not None
    assert again.append([StateEvent("bob", "last", 5)]) == [True]
    again.close()
    assert process.stdout is not None
    process.stdout.close()


READ = """
import sys
from pathlib import Path
from shortlist.state.lmdb_state import LmdbState
state = LmdbState(Path(sys.argv[1]), first_map=2**17)
print("open", flush=True)
sys.stdin.readline()
assert state.user(3_999).items == ["x" * 900]
print(len(state.append([])), flush=True)
"""


def test_a_reader_takes_over_the_map_that_another_has_made_larger(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    state = LmdbState(folder, first_map=2**17)
    with subprocess.Popen(
        [sys.executable, "-c", READ, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "open\n"
        for number in range(40):
            state.append([StateEvent(number * 100 + place, "x" * 900, 5) for place in range(100)])
        said, _ = reader.communicate("go\n", timeout=120)
        assert (reader.returncode, said) == (0, "0\n")
    state.close()


def test_threads_of_a_process_read_while_the_map_grows(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    state = LmdbState(tmp_path / "state", first_map=2**17)
    state.append([StateEvent("ann", "first", 5)])
    end = time.monotonic() + 1

    def read() -> int:
        found = 0
        while time.monotonic() < end or found == 0:
            known = state.user("ann")
            assert known is not None
            found += len(known.items)
        return found

    def write() -> int:
        return sum(
            sum(state.append([StateEvent(number * 100 + place, "x" * 900, 5) for place in range(100)]))
            for number in range(20)
        )

    with ThreadPoolExecutor(3) as pool:
        reads, written = [pool.submit(read), pool.submit(read)], pool.submit(write)
        assert written.result(120) == 2000
        assert all(each.result(120) > 0 for each in reads)
    state.close()


def test_a_place_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    from shortlist.core.errors import UserError

    for address, message in (
        (str(tmp_path / "file" / "state"), "cannot make the folder"),
        ("postgres://db", "expected a folder or redis://"),
        ("redis://127.0.0.1:1/0", r"cannot use the state at redis://127\.0\.0\.1:1/0.*--state"),
        ("redis://somebody:secret@127.0.0.1:1/0", r"at redis://127\.0\.0\.1:1/0"),
        ("redis://127.0.0.1:x/0", "expected redis://HOST:PORT/NUMBER"),
    ):
        with pytest.raises(UserError, match=message) as raised:
            open_state(address)
        assert "secret" not in str(raised.value)
    with pytest.raises(UserError, match="there is no state in"):
        open_state(tmp_path / "nothing", create=False)
