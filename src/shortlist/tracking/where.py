"""`python -m shortlist.tracking.where models:/NAME@ALIAS`: prints the folder of the bundle that an alias stands for."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from shortlist.core.errors import UserError
from shortlist.tracking.registry import Registry

_ADDRESS = re.compile(r"models:/(?P<name>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<number>\d+))")


def bundle_of(address: str) -> Path:
    """The bundle's folder; UserError where there is none here."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UserError(f"expected models:/NAME@ALIAS or models:/NAME/VERSION, found {address}")
    registry = Registry.open(found["name"])
    number = found["number"]
    version = registry.version(int(number)) if number else registry.with_alias(found["alias"])
    if version is None:
        raise UserError(
            f"`{found['name']}` has no version with the alias `{found['alias']}`. "
            f"`shortlist promote {found['name']} --list` shows what it has"
        )
    if not version.is_here:
        raise UserError(
            f"version {version.number} of `{found['name']}` was registered from {version.folder}, "
            "where its bundle is not, or not as it was: copy the run's folder to that place"
        )
    return version.folder / "bundle"


def main(arguments: Sequence[str]) -> int:
    """Print the folder; the exit code of the error where there is none."""
    try:
        print(bundle_of(*arguments))  # noqa: T201
    except UserError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
