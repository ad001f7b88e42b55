"""`bundle`: what is in one, whether it is whole, and in what two differ."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from shortlist.bundle.manifest import write_manifest
from shortlist.bundle.recommender import Recommender
from shortlist.core.files import read_json, write_json
from shortlist.serving.service import Service
from tests.cli.conftest import EVENTS_A_USER, ITEMS, USERS, Shortlist


@pytest.fixture
def bundle(done_shop: Path) -> Path:
    return done_shop / "runs" / "films" / "bundle"


@pytest.fixture
def other(bundle: Path, tmp_path: Path) -> Path:
    """The same but for a setting, a weight of the funnel and a file more."""
    folder = Path(shutil.copytree(bundle, tmp_path / "other"))
    recipe = read_json(folder / "recipe.json")
    recipe["ranking"]["epochs"] = 7
    write_json(folder / "recipe.json", recipe)
    write_json(folder / "funnel.json", {**read_json(folder / "funnel.json"), "retrieval_weight": 0.5})
    (folder / "more.txt").write_text("more")
    sealed(folder)
    return folder


def sealed(folder: Path) -> None:
    """Let the manifest name what the folder holds now."""
    kept = {
        name: value for name, value in read_json(folder / "manifest.json").items() if name not in ("format", "files")
    }
    write_manifest(folder, kept)


def test_inspect_says_what_is_in_it(bundle: Path, shortlist: Shortlist) -> None:
    said, facts = (
        shortlist("bundle", "inspect", bundle),
        json.loads(shortlist("bundle", "inspect", bundle, "--json").out),
    )

    assert said.code == 0
    assert f"{USERS} users, {ITEMS} items, {USERS * EVENTS_A_USER:,} events" in said.out
    assert "retrieval: two_tower, ranking: wide_deep" in said.out
    assert facts["models"] == {"retrieval": "two_tower", "ranking": "wide_deep"}
    assert facts["version"] == Service(Recommender.load(bundle)).label.version
    assert said.out.split()[:2] == ["version", facts["version"]]
    assert (facts["users"], facts["items"]) == (USERS, ITEMS)
    assert facts["bytes"] == sum(facts["parts"].values())
    assert facts["bytes"] == sum(p.stat().st_size for p in bundle.rglob("*") if p.is_file()) - _size(bundle)
    assert facts["targets"] == [target.name for target in Recommender.load(bundle).bundle.schema.targets]


def _size(bundle: Path) -> int:
    return (bundle / "manifest.json").stat().st_size


def test_verify_reads_every_byte(bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    assert shortlist("bundle", "verify", bundle).out.startswith("whole: ")
    version = json.loads(shortlist("bundle", "inspect", bundle, "--json").out)["version"]
    assert json.loads(shortlist("bundle", "verify", bundle, "--json").out)["version"] == version

    altered = Path(shutil.copytree(bundle, tmp_path / "altered"))
    model = altered / "ranking" / "model.onnx"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    said = shortlist("bundle", "verify", altered)
    assert said.code == 4
    assert "model.onnx has been altered" in said.err


def test_diff_shows_what_is_not_the_same(bundle: Path, other: Path, shortlist: Shortlist) -> None:
    said = shortlist("bundle", "diff", bundle, other)
    lines = said.out.splitlines()

    assert said.code == 0
    assert lines[:2] == ["recipe  ranking.epochs: 1 -> 7", "funnel  retrieval_weight: 0.1 -> 0.5"]
    assert [line.split(":")[0] for line in lines[2:]] == [
        f"files   {name}" for name in ("funnel.json", "recipe.json", "more.txt")
    ]
    assert lines[-1].startswith("files   more.txt: nothing -> ")

    found = json.loads(shortlist("bundle", "diff", bundle, other, "--json").out)
    assert found["recipe"] == [{"what": "ranking.epochs", "first": 1, "second": 7}]
    assert found["schema"] == []


def test_tables_in_a_list_are_told_by_their_place_where_they_have_no_name(
    bundle: Path, tmp_path: Path, shortlist: Shortlist
) -> None:
    before, after = (Path(shutil.copytree(bundle, tmp_path / name)) for name in ("before", "after"))
    for folder, first in ((before, 1), (after, 2)):
        schema = read_json(folder / "schema.json")
        write_json(folder / "schema.json", {**schema, "steps": [{"width": first}, {"width": 3}, {"name": "last"}]})
        sealed(folder)
    said = shortlist("bundle", "diff", before, after)

    assert said.out.splitlines()[0] == "schema  steps.0.width: 1 -> 2"


def test_a_bundle_is_no_different_from_its_copy(bundle: Path, tmp_path: Path, shortlist: Shortlist) -> None:
    copy = shutil.copytree(bundle, tmp_path / "copy")

    assert shortlist("bundle", "diff", bundle, copy).out == "no difference\n"


@pytest.mark.parametrize("words", [("inspect", "{}"), ("verify", "{}"), ("diff", "{}", "{}")])
def test_a_folder_that_is_no_bundle_is_one_line(words: tuple[str, ...], tmp_path: Path, shortlist: Shortlist) -> None:
    said = shortlist("bundle", *(word.format(tmp_path) for word in words))

    assert said.code == 4
    assert "is no bundle" in said.err
    assert "Traceback" not in said.err


def test_rules_are_changed_without_training_and_the_manifest_stays_right(
    bundle: Path, tmp_path: Path, shortlist: Shortlist
) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "ruled"))
    file = tmp_path / "rules.toml"
    file.write_text('[rules]\nfilter = "not genres has \\"none\\""\ndiversity = 0.25\n')

    assert shortlist("bundle", "rules", folder).out == "no rules\n"
    said = shortlist("bundle", "rules", folder, "--set", file)
    assert said.code == 0
    *rules, passing = said.out.splitlines()
    assert rules == ['filter       not genres has "none"', "diversity    0.25"]
    assert re.fullmatch(r"  filter: (\d+) of \1 items pass", passing)
    assert shortlist("bundle", "verify", folder).code == 0
    told = json.loads(shortlist("bundle", "rules", folder, "--json").out)
    assert (told["settings"]["diversity"], told["intervals"]) == (0.25, [])
    assert "rules   settings.diversity: 0.0 -> 0.25" in shortlist("bundle", "diff", bundle, folder).out
    file.write_text('[rules]\nfilter = "genre = 3"\n')
    refused = shortlist("bundle", "rules", folder, "--set", file)
    assert refused.code == 2
    assert "Did you mean `genres`?" in refused.err
    file.write_text('[rules]\nfilter = "genres has \\"none\\""\n')
    *_, passing = shortlist("bundle", "rules", folder, "--set", file).out.splitlines()
    assert re.fullmatch(r"  filter: 0 of \d+ items pass: every list is empty", passing)
