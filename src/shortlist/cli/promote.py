"""`shortlist promote`: the challenger in the champion's place, if it is better."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from shortlist.cli.options import add_json_argument, add_quiet_argument, print_json, reporter

if TYPE_CHECKING:
    from shortlist.core.progress import Reporter
    from shortlist.tracking.gate import Verdict
    from shortlist.tracking.registry import Registry, Version

HELP = "let a registered version serve as champion if it is better than the one that does, or go back to that"
EXAMPLES = """\
  shortlist promote movies                    the challenger, if it is better on the same test users
  shortlist promote movies --version 7        another version
  shortlist promote movies --metric funnel.recall@20
  shortlist promote movies --force            whatever the figures say
  shortlist promote movies --back             the champion before this one
  shortlist promote movies --list             all versions"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("name", metavar="NAME", help="name in the registry")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--version", type=int, metavar="N", help="a version (default: the challenger)")
    what.add_argument("--back", action="store_true", help="make the champion before this one it again")
    what.add_argument("--list", action="store_true", help="show the versions and change nothing")
    parser.add_argument(
        "--metric", metavar="STAGE.METRIC", help="what is compared (default: funnel.ndcg@10; ranking.auc without lists)"
    )
    parser.add_argument("--force", action="store_true", help="promote it even if it is not better")
    add_quiet_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.core.extras import need

    need("mlflow", "mlflow", "`shortlist promote`")
    from shortlist.tracking.registry import Registry

    registry = Registry.open(args.name)
    if args.list:
        return _list(registry, args.json)
    to, verdict = reporter(args), None
    if args.back:
        version = registry.back()
    else:
        version = _wanted(registry, args.version)
        verdict = _judged(registry, version, args, to)
        if verdict is not None and not verdict.passes and not args.force:
            raise _refused(version, verdict)
        registry.crown(version)
    place = version.folder / "bundle" if version.is_here else f"models:/{args.name}/{version.number}"
    to.say("promote", f"version {version.number} of {args.name} is the champion   {place}")
    if args.json:
        compared = {} if verdict is None else {**verdict.comparison.as_dict(), "paired": verdict.paired}
        print_json({"name": args.name, "champion": version.number, "comparison": compared})
    return 0


def _wanted(registry: Registry, number: int | None) -> Version:
    """The version asked for, or the challenger."""
    from shortlist.core.errors import UserError
    from shortlist.tracking.registry import CHALLENGER

    if number is not None:
        return registry.version(number)
    found = registry.with_alias(CHALLENGER)
    if found is None:
        raise UserError(
            f"`{registry.name}` has no challenger: register a run with `shortlist register RUN --name "
            f"{registry.name}`, or say which --version"
        )
    return found


def _judged(registry: Registry, version: Version, args: argparse.Namespace, to: Reporter) -> Verdict | None:
    """What the gate says; None where nobody is champion yet, or nothing can be compared and none of it matters."""
    from shortlist.core.errors import UserError
    from shortlist.evaluation.paired import Measure
    from shortlist.tracking.gate import judge, usual_measure
    from shortlist.tracking.registry import CHAMPION

    measure = None if args.metric is None else Measure.of(args.metric)
    champion = registry.with_alias(CHAMPION)
    if champion is None or champion.number == version.number:
        return None
    try:
        verdict = judge(registry, champion, version, measure or usual_measure(registry.metrics(version)), to)
    except UserError as error:
        if not args.force:
            raise
        to.say("promote", f"not compared: {error}")
        return None
    to.say("promote", str(verdict))
    return verdict


def _refused(version: Version, verdict: Verdict) -> Exception:
    from shortlist.core.errors import GateError

    return GateError(
        f"version {version.number} stays where it is. Expected: {verdict.expected}; found: {verdict}. Nothing was "
        "changed; --force promotes it all the same"
    )


def _list(registry: Registry, as_json: bool) -> int:
    from dataclasses import asdict

    versions = registry.versions()
    if as_json:
        print_json([{**asdict(version), "folder": str(version.folder)} for version in versions])
        return 0
    if not versions:
        print(f"nothing is registered under `{registry.name}`")
    for version in versions:
        print(f"{version.number:>4}  {', '.join(version.aliases) or '-':<22} {version.bundle}  {version.folder}")
    return 0
