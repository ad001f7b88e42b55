"""`shortlist bundle`: looking into bundles, and changing their rules."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shortlist.cli.options import add_json_argument, print_json

HELP = "say what is in a bundle, check its files, change its rules, or show in what two differ"
EXAMPLES = """\
  shortlist bundle inspect runs/shortlist/bundle           models, sizes, features, settings
  shortlist bundle verify runs/shortlist/bundle            every file against its SHA-256
  shortlist bundle rules bundle --set rules.toml           other rules, nothing trained
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
    ruling = actions.add_parser("rules", help="show its rules, or put others in their place without training")
    ruling.add_argument("bundle", metavar="BUNDLE", help=one)
    ruling.add_argument("--set", dest="file", metavar="FILE", help="TOML with a section [rules], such as a recipe")
    for action in (inspecting, verifying, comparing, ruling):
        add_json_argument(action)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    {"inspect": _inspect, "verify": _verify, "diff": _diff, "rules": _rules}[args.action](args)
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
        "version": facts["version"],
        "name": facts["name"],
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
    from shortlist.bundle.manifest import check_manifest, version_of

    manifest = check_manifest(Path(args.bundle), hashes=True)
    files, size = len(manifest["files"]), sum(facts["bytes"] for facts in manifest["files"].values())
    if args.json:
        print_json({"version": version_of(manifest), "files": files, "bytes": size})
    else:
        print(f"whole: {files} files, {size / 2**20:,.1f} MiB, version {version_of(manifest)}")


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


def _rules(args: argparse.Namespace) -> None:
    from shortlist.bundle.change_rules import change_rules
    from shortlist.bundle.manifest import check_manifest
    from shortlist.bundle.read import Bundle
    from shortlist.bundle.rulebook import passing, standing_mask
    from shortlist.bundle.rules import BundleRules, read_rules
    from shortlist.funnel.filters.masks import Masks

    folder = Path(args.bundle)
    check_manifest(folder, hashes=False)
    rules = change_rules(folder, read_rules(Path(args.file))) if args.file else BundleRules.read(folder)
    if args.json:
        print_json(rules.to_json())
        return
    chosen = rules.settings.model_dump(mode="json", exclude_defaults=True)
    for name, value in chosen.items():
        print(f"{name:<12} {value if isinstance(value, str) else json.dumps(value)}")
    if rules.settings.filter is not None:
        masks = Masks(Bundle.open(folder, verify=False).attributes)
        kept_I = standing_mask(masks, rules.settings.filter, "rules.filter")
        print(f"  filter: {passing(kept_I)}{'' if kept_I.any() else ': every list is empty'}")
    for interval in rules.intervals:
        due = "" if interval.seconds is None else f", after {interval.seconds / 86_400:.1f} days"
        print(f"  {interval.value}: {interval.users:,} buyers, {interval.again:.0%} of them again{due}")
    if not chosen:
        print("no rules")


def _short(place: str, about: Any) -> str:
    kind = about.get("kind", "") if isinstance(about, Mapping) else about
    return f"{place}: {kind}"


def _value(value: Any) -> str:
    return "nothing" if value is None else str(value)
