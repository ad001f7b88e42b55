"""`shortlist doctor`: what this machine has, what it lacks, and what that means."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from shortlist.cli.options import add_json_argument, print_json
from shortlist.core.errors import EnvironmentFault

if TYPE_CHECKING:
    from shortlist.cli.examination import Finding

HELP = "look at this machine: packages, memory, disk, GPU; or list what a recipe may say"
EXAMPLES = """\
  shortlist doctor                                   can the main job run here? exit code 0 if so, 6 if not
  shortlist doctor --settings                        every setting of a recipe, with its default
  shortlist doctor --models                          every model with its settings
  shortlist doctor --json                            to go with a report of a bug"""

_MARKS = {"good": "ok  ", "absent": "-   ", "bad": "BAD "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    listed = parser.add_mutually_exclusive_group()
    listed.add_argument("--settings", action="store_true", help="list the sections of a recipe, and their settings")
    listed.add_argument("--models", action="store_true", help="list the models there are, and their settings")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    if args.models or args.settings:
        _print_settings(of_models=args.models, as_json=args.json)
        return 0
    from shortlist.cli.examination import examine

    findings = examine()
    fit = all(finding.state != "bad" for finding in findings)
    if args.json:
        print_json({"can_run": fit, "findings": [finding.to_json() for finding in findings]})
    else:
        _print_findings(findings)
        print("the main job can run here" if fit else "the main job cannot run here: see BAD above")
    return 0 if fit else EnvironmentFault.exit_code


def _print_findings(findings: list[Finding]) -> None:
    group = ""
    for finding in findings:
        if finding.group != group:
            group = finding.group
            print(group)
        print(f"  {_MARKS[finding.state]}{finding.name:<18} {finding.text}")


def _print_settings(of_models: bool, as_json: bool) -> None:
    from shortlist.core.extras import need

    need("torch", "train", f"`shortlist doctor {'--models' if of_models else '--settings'}`")
    from shortlist.cli.setting_list import described_models, described_sections, model_lines, section_lines

    listed, lines = (described_models(), model_lines) if of_models else (described_sections(), section_lines)
    if as_json:
        print_json(listed)
    else:
        print("\n".join(line for each in listed for line in lines(each)))
