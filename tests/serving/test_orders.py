"""What worker processes are told to answer from, and what there is to go back to."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from shortlist.bundle.manifest import write_manifest
from shortlist.core.errors import BundleError, RequestError
from shortlist.core.files import read_json
from shortlist.serving.orders import Order, Placed, Report, RunFolder
from shortlist.serving.settings import MAIN


def test_orders_count_up_and_go_back(folder: RunFolder, old: Path, new: Path) -> None:
    assert folder.read() is None
    first, second = {MAIN: Placed.at(old)}, {MAIN: Placed.at(new)}
    assert folder.give(first) == Order(0, first)
    with pytest.raises(RequestError, match="nothing to go back to"):
        folder.back()
    folder.report(Report(0))
    assert folder.give(second) == Order(1, second, (first,))
    folder.report(Report(1))
    assert folder.back() == Order(2, first, (second,)) == folder.read()
    shutil.copyfile(old / "items.arrow", new / "items.arrow")
    manifest = read_json(new / "manifest.json")
    write_manifest(new, {name: fact for name, fact in manifest.items() if name not in ("format", "files")})
    with pytest.raises(RequestError, match="another bundle lies at"):
        folder.back()


def test_what_could_not_be_served_is_nothing_to_go_back_to(folder: RunFolder, old: Path, new: Path) -> None:
    first, second = {MAIN: Placed.at(old)}, {MAIN: Placed.at(new)}
    bad = {MAIN: Placed("nowhere", "0", "nowhere")}
    folder.give(first)
    folder.report(Report(0))
    folder.give(second)
    folder.report(Report(1))
    assert folder.give(bad).before == (second, first)
    folder.report(Report(2, "no folder"))
    assert folder.give(bad).before == (second, first)
    folder.report(Report(3, "no folder"))
    assert folder.back() == Order(4, second, (first,))


def test_what_nobody_has_come_to_yet_is_nothing_to_go_back_to(folder: RunFolder, old: Path, new: Path) -> None:
    first, second = {MAIN: Placed.at(old)}, {MAIN: Placed.at(new)}
    folder.give(first)
    folder.report(Report(0))
    folder.give({MAIN: Placed("nowhere", "0", "nowhere")})
    assert folder.give(second).before == (first,)


def test_the_same_again_keeps_what_to_go_back_to(folder: RunFolder, old: Path, new: Path) -> None:
    first, second = {MAIN: Placed.at(old)}, {MAIN: Placed.at(new)}
    folder.give(first)
    folder.report(Report(0))
    folder.give(second)
    folder.report(Report(1))
    assert folder.give(second) == Order(2, second, (first,))


def test_reports_of_dead_processes_do_not_count(folder: RunFolder) -> None:
    folder.report(Report(3))
    (folder.path / "workers" / "4194305.json").write_text(json.dumps({"generation": 1, "problem": None}))
    assert folder.reports() == {os.getpid(): Report(3)}


def test_a_report_is_forgotten(folder: RunFolder) -> None:
    folder.report(Report(3))
    folder.forget(os.getpid())
    folder.forget(4194305)
    assert folder.reports() == {}


def test_the_address_is_kept_and_makes_no_difference(old: Path, tmp_path: Path) -> None:
    link = tmp_path / "current"
    link.symlink_to(old)
    placed = Placed.at(link)
    assert placed == Placed.at(old)
    assert (placed.path, placed.address) == (str(old.resolve()), str(link))


@pytest.mark.parametrize("address", ["no\0where", "x" * 300, "models:/no\0model@champion"])
def test_an_address_that_the_system_refuses(address: str) -> None:
    with pytest.raises(BundleError, match="no bundle can be read at"):
        Placed.at(address)
