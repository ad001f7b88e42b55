"""The manifest: whatever is missing, altered or of another format is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from shortlist.bundle.manifest import FORMAT, NAME, check_manifest, write_manifest
from shortlist.core.errors import BundleError
from shortlist.core.files import read_json, write_json


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bundle = tmp_path / "bundle"
    (bundle / "ranking").mkdir(parents=True)
    (bundle / "recipe.json").write_text("{}")
    (bundle / "ranking" / "model.onnx").write_bytes(b"weights")
    write_manifest(bundle, {"shortlist": "0.1.0", "name": "shop"})
    return bundle


def test_a_whole_bundle_passes_with_its_facts(folder: Path) -> None:
    manifest = check_manifest(folder)

    assert manifest["name"] == "shop"
    assert manifest["format"] == FORMAT
    assert set(manifest["files"]) == {"recipe.json", "ranking/model.onnx"}
    assert manifest["files"]["ranking/model.onnx"]["bytes"] == 7


def test_a_manifest_written_again_does_not_list_itself(folder: Path) -> None:
    first = read_json(folder / NAME)

    assert write_manifest(folder, {"shortlist": "0.1.0", "name": "shop"}) == first
    assert check_manifest(folder) == first


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "ranking" / "model.onnx").unlink()

    with pytest.raises(BundleError, match=r"is incomplete: ranking/model\.onnx is missing"):
        check_manifest(folder)


def test_a_changed_byte_is_noticed(folder: Path) -> None:
    (folder / "ranking" / "model.onnx").write_bytes(b"Weights")

    with pytest.raises(BundleError, match=r"model\.onnx has been altered: its SHA-256"):
        check_manifest(folder)
    # Without hashes only sizes are compared: for one who has just written it.
    assert check_manifest(folder, hashes=False)["name"] == "shop"


def test_another_size_is_noticed_without_hashes(folder: Path) -> None:
    (folder / "ranking" / "model.onnx").write_bytes(b"more weights")

    with pytest.raises(BundleError, match="has 12 bytes, the manifest says 7"):
        check_manifest(folder, hashes=False)


@pytest.mark.parametrize("written", [1, FORMAT - 1, 99])
def test_another_format_says_who_wrote_it(folder: Path, written: int) -> None:
    write_json(folder / NAME, {"format": written, "shortlist": "9.9", "files": {}})

    with pytest.raises(
        BundleError, match=rf"has bundle format {written}, written by shortlist 9\.9; .* reads format {FORMAT}"
    ):
        check_manifest(folder)


BROKEN = [
    "",
    "{",
    "[]",
    "3",
    "{}",
    f'{{"format": {FORMAT}}}',
    f'{{"format": {FORMAT}, "files": 3}}',
    f'{{"format": {FORMAT}, "files": {{"recipe.json": {{}}}}}}',
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_manifest_is_a_bundle_error(folder: Path, text: str) -> None:
    (folder / NAME).write_text(text)

    with pytest.raises(BundleError, match=r"manifest\.json is broken"):
        check_manifest(folder)


def test_no_bundle_says_where_runs_leave_theirs(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no folder .*absent.*runs/NAME/bundle"):
        check_manifest(tmp_path / "absent")
    with pytest.raises(BundleError, match=r"is no bundle: it has no manifest\.json"):
        check_manifest(tmp_path)


def test_a_file_that_came_later_is_noticed(folder: Path) -> None:
    (folder / "retrieval").mkdir()
    (folder / "retrieval" / "query.onnx").write_bytes(b"another model")

    with pytest.raises(BundleError, match=r"holds retrieval/query\.onnx, which its manifest does not name"):
        check_manifest(folder)
