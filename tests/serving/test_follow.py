"""The parent orders what its addresses lead to."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from shortlist.serving.follow import Follower
from shortlist.serving.orders import Placed, RunFolder
from shortlist.serving.settings import MAIN


@pytest.fixture
def link(tmp_path: Path, old: Path) -> Path:
    link = tmp_path / "current"
    link.symlink_to(old)
    return link


def lead(link: Path, path: Path) -> None:
    link.unlink()
    link.symlink_to(path)


def test_a_link_is_followed(folder: RunFolder, new: Path, link: Path) -> None:
    follower = Follower(folder, {MAIN: Placed.at(link)})
    follower.order_first()
    watching = threading.Thread(target=follower.watch, args=(False,))
    watching.start()
    lead(link, new)
    follower.ask()
    give_up = time.monotonic() + 30
    while (order := folder.read()) is not None and order.generation == 0 and time.monotonic() < give_up:
        time.sleep(0.01)
    follower.stop()
    watching.join(30)
    assert order is not None
    assert order.bundles == {MAIN: Placed.at(new)}


def test_what_has_not_moved_stays_as_somebody_else_ordered_it(
    folder: RunFolder, old: Path, new: Path, link: Path
) -> None:
    follower = Follower(folder, {"a": Placed.at(link), "b": Placed.at(old)})
    follower.order_first()
    folder.give({"b": Placed.at(new)})
    lead(link, new)
    follower.look(told=False)
    assert (order := folder.read()) is not None
    assert (order.generation, order.bundles) == (2, {"a": Placed.at(new), "b": Placed.at(new)})
    follower.look(told=False)
    assert (order := folder.read()) is not None
    assert order.generation == 2
    follower.look(told=True)
    assert (order := folder.read()) is not None
    assert (order.generation, order.bundles) == (3, {"a": Placed.at(new), "b": Placed.at(old)})


def test_an_address_that_leads_nowhere_holds_up_no_other(folder: RunFolder, old: Path, new: Path, link: Path) -> None:
    first = {"a": Placed.at(old), "b": Placed.at(link)}
    follower = Follower(folder, first)
    follower.order_first()
    lead(link, new)
    old.rename(old.with_name("away"))
    follower.look(told=False)
    assert (order := folder.read()) is not None
    assert order.bundles == {**first, "b": Placed.at(new)}


def test_a_broken_bundle_is_not_ordered(
    folder: RunFolder, new: Path, link: Path, caplog: pytest.LogCaptureFixture
) -> None:
    follower = Follower(folder, {MAIN: Placed.at(link)})
    follower.order_first()
    content = bytearray((new / "items.arrow").read_bytes())
    content[-1] ^= 1
    (new / "items.arrow").write_bytes(content)
    lead(link, new)
    for _ in range(2):
        follower.look(told=False)
    assert (order := folder.read()) is not None
    assert order.generation == 0
    # Said once, not every two seconds.
    assert caplog.text.count("has been altered") == 1
