"""What a bundle is, and in what two of them differ: for a person who decides which one serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from shortlist.bundle.manifest import check_manifest, version_of
from shortlist.bundle.read import Bundle
from shortlist.bundle.rules import BundleRules
from shortlist.core.files import read_json
from shortlist.recipe.sections import sources_of


@dataclass(frozen=True)
class Difference:
    """One setting or one file that is not the same in both; None where one has no such thing."""

    what: str
    first: Any
    second: Any


def describe(path: str | Path) -> dict[str, Any]:
    """The facts of the bundle at `path`, as JSON values; its files are checked but for their hashes. BundleError."""
    bundle = Bundle.open(path, verify=False)
    manifest, recipe = bundle.manifest, bundle.recipe
    sizes = {name: facts["bytes"] for name, facts in manifest["files"].items()}
    models = {place: source.model.name for place, source in sources_of(recipe).items()}
    if recipe.ranking is not None:
        models["ranking"] = recipe.ranking.model.name
    return {
        "version": version_of(manifest),
        "name": manifest["name"],
        "created": manifest["created"],
        "shortlist": manifest["shortlist"],
        "format": manifest["format"],
        "seed": manifest["seed"],
        "models": models,
        "targets": [target.name for target in bundle.schema.targets],
        "users": len(bundle.users) - 1,
        "items": len(bundle.items) - 1,
        "events": len(bundle.histories.events.items.values),
        "features": {column.name: column.kind.value for column in bundle.schema.columns},
        "funnel": read_json(bundle.path / "funnel.json"),
        "index": manifest.get("index", {}),
        "parity": manifest.get("parity", {}),
        "bytes": sum(sizes.values()),
        "parts": _by_part(sizes),
    }


def differences(first: str | Path, second: str | Path) -> dict[str, list[Difference]]:
    """In what the two bundles differ: settings of recipe and funnel, the schema, rules, and files. BundleError."""
    manifests = [check_manifest(Path(path), hashes=False) for path in (first, second)]
    found: dict[str, list[Difference]] = {}
    for what, file in (("recipe", "recipe.json"), ("funnel", "funnel.json"), ("schema", "schema.json")):
        values = [dict(_flat(read_json(Path(path) / file))) for path in (first, second)]
        found[what] = _unequal(*values)
    found["rules"] = _unequal(*(dict(_flat(BundleRules.read(Path(path)).to_json())) for path in (first, second)))
    hashes = [{name: facts["sha256"][:12] for name, facts in manifest["files"].items()} for manifest in manifests]
    found["files"] = _unequal(*hashes)
    return found


def _unequal(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    names = dict.fromkeys([*first, *second])
    return [Difference(n, first.get(n), second.get(n)) for n in names if first.get(n) != second.get(n)]


def _flat(value: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Each value within tables with its dotted name; a list is one value, unless tables stand in it.

    A table in a list is told by its `name`, or else by its place.
    """
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{above}{name}.")
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        for place, inner in enumerate(value):
            name = inner.get("name", place) if isinstance(inner, Mapping) else place
            yield from _flat(inner, f"{above}{name}.")
    elif value is not None:
        yield above.rstrip("."), value


def _by_part(sizes: Mapping[str, int]) -> dict[str, int]:
    """Bytes of each file and folder directly in the bundle, largest first."""
    parts: dict[str, int] = {}
    for name, size in sizes.items():
        part = PurePosixPath(name).parts[0]
        parts[part] = parts.get(part, 0) + size
    return dict(sorted(parts.items(), key=lambda entry: -entry[1]))
