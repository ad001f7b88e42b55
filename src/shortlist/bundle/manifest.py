"""The manifest: what a bundle consists of, with the SHA-256 of each file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shortlist.core.errors import BundleError
from shortlist.core.files import fingerprint, read_json, sha256, write_json

FORMAT = 4
"""Version of the folder's layout; a bundle of another one is refused."""
NAME = "manifest.json"


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write the manifest of everything that lies in `folder`, with some facts beside it; returns it."""
    files = {
        path.relative_to(folder).as_posix(): {"sha256": sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }
    manifest = {"format": FORMAT, **facts, "files": files}
    write_json(folder / NAME, manifest)
    return manifest


def update_manifest(folder: Path, name: str) -> None:
    """Bring the manifest of the bundle at `folder` up to one file that was written anew; no other is looked at."""
    manifest = read_json(folder / NAME)
    facts = {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}
    files = dict(sorted({**manifest["files"], name: facts}.items()))
    write_json(folder / NAME, {**manifest, "files": files})


def check_manifest(folder: Path, hashes: bool = True) -> dict[str, Any]:
    """The manifest of the bundle at `folder`, checked against its files; BundleError says what does not fit."""
    if not folder.is_dir():
        raise BundleError(f"no folder {folder}. A run leaves its bundle in runs/NAME/bundle")
    if not (folder / NAME).is_file():
        raise BundleError(f"{folder} is no bundle: it has no {NAME}. A run leaves its bundle in runs/NAME/bundle")
    try:
        manifest: dict[str, Any] = read_json(folder / NAME)
        _check_format(folder, manifest)
        for name, facts in manifest["files"].items():
            _check_file(folder, name, facts, hashes)
        _check_nothing_else(folder, manifest["files"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{folder / NAME} is broken: {error}. Export the bundle again with: shortlist run") from error
    return manifest


def version_of(manifest: Mapping[str, Any]) -> str:
    """The version of a bundle: a hash of all its files, equal for bundles that answer alike."""
    return fingerprint({name: facts["sha256"] for name, facts in manifest["files"].items()})


def _check_format(folder: Path, manifest: Mapping[str, Any]) -> None:
    if manifest["format"] != FORMAT:
        raise BundleError(
            f"{folder} has bundle format {manifest['format']}, written by shortlist {manifest.get('shortlist')}; "
            f"this version reads format {FORMAT}. Export it again, or install the version that wrote it."
        )


def _check_nothing_else(folder: Path, files: Mapping[str, Any]) -> None:
    """A file that came later could change the answers without changing any hash."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    if stray := sorted(set(found) - files.keys()):
        raise BundleError(
            f"{folder} holds {stray[0]}, which its manifest does not name. Remove it, or export it again."
        )


def _check_file(folder: Path, name: str, facts: Mapping[str, Any], hashes: bool) -> None:
    path = folder / name
    if not path.is_file():
        raise BundleError(f"{folder} is incomplete: {name} is missing. Copy the bundle again, or export it again.")
    found = path.stat().st_size
    if found != facts["bytes"]:
        raise BundleError(f"{path} has {found:,} bytes, the manifest says {facts['bytes']:,}. Copy the bundle again.")
    if hashes and sha256(path) != facts["sha256"]:
        raise BundleError(f"{path} has been altered: its SHA-256 is not the manifest's. Copy the bundle again.")
