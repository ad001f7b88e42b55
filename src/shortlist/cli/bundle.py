"""`shortlist bundle`: looking into bundles."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shortlist.cli.options import add_json_argument, print_json

HELP = "say what is in a bundle, check its files, or show in what two of them differ"
EXAMPLES = """\
  shortlist bundle inspect runs/shortlist/bundle           models, sizes, features, settings
  shortlist bundle verify runs/shortlist/bundle            every file against its SHA-256
  shortlist bundle diff old.bundle runs/shortlist/bundle   settings and files that are not the same"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    one = "the folder of a bundle"
    inspecting = actions.add_parser("inspect", help="what is in it")
    verifying = actions.add_parser("verify", help="compare every file with the manifest: exit code 4 where one differs")
    for action in (inspecting, verifying):
        action.add_argument("bundle", metavar="BUNDLE", help=one)
    comparing = actions.add_parser("diff", help="in what two of them differ: exit code 0 whether they do or not")
    comparing.add_argument("first", metavar="A", help=one)
    comparing.add_argument("second", metavar="B", help="another one")
    for action in (inspecting, verifying, comparing):
        add_json_argument(action)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    {"inspect": _inspect, "verify": _verify, "diff": _diff}[args.action](args)
    return 0


def _inspect(args: argparse.Namespace) -> None:
    from shortlist.bundle.described import describe

    facts = describe(args.bundle)
    if args.json:
        print_json(facts)
        return
    features: dict[str, list[str]] = {}
    for name, kind in facts["features"].items():
        features.setdefault(kind, []).append(name)
    lines = {
        "name": f"{facts['name']}   {facts['identity']}",
        "made": f"{facts['created']} by shortlist {facts['shortlist']}, format {facts['format']}, seed {facts['seed']}",
        "models": ", ".join(f"{stage}: {name}" for stage, name in facts["models"].items()) or "none",
        "targets": ", ".join(facts["targets"]) or "none",
        "tables": f"{facts['users']:,} users, {facts['items']:,} items, {facts['events']:,} events",
        **{f"{kind}s": ", ".join(names) for kind, names in features.items()},
        "funnel": ", ".join(f"{name} {value}" for name, value in facts["funnel"].items() if value != {}),
        "index": ", ".join(_short(place, about) for place, about in facts["index"].items()) or "none",
        "parity": ", ".join(f"{model} {value:.0e}" for model, value in facts["parity"].items()) or "no model in ONNX",
        "size": f"{facts['bytes'] / 2**20:,.1f} MiB: "
        + ", ".join(f"{part} {size / 2**20:,.1f}" for part, size in facts["parts"].items() if size > 0.05 * 2**20),
    }
    for name, text in lines.items():
        print(f"{name:<12} {text}")


def _verify(args: argparse.Namespace) -> None:
    from shortlist.bundle.described import identity
    from shortlist.bundle.manifest import check_manifest

    manifest = check_manifest(Path(args.bundle), hashes=True)
    files, size = len(manifest["files"]), sum(facts["bytes"] for facts in manifest["files"].values())
    if args.json:
        print_json({"identity": identity(manifest), "files": files, "bytes": size})
    else:
        print(f"whole: {files} files, {size / 2**20:,.1f} MiB, {identity(manifest)}")


def _diff(args: argparse.Namespace) -> None:
    from shortlist.bundle.described import differences

    found = differences(args.first, args.second)
    if args.json:
        print_json({part: [asdict(one) for one in several] for part, several in found.items()})
        return
    for part, several in found.items():
        for one in several:
            print(f"{part:<7} {one.what}: {_value(one.first)} -> {_value(one.second)}")
    if not any(found.values()):
        print("no difference")


def _short(place: str, about: Any) -> str:
    kind = about.get("kind", "") if isinstance(about, Mapping) else about
    return f"{place}: {kind}"


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)
