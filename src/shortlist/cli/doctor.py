"""`shortlist doctor`: what this machine has, what it lacks, and what that means."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from shortlist.cli.options import add_json_argument, print_json
from shortlist.core.errors import EnvironmentFault

if TYPE_CHECKING:
    from shortlist.cli.examination import Finding

HELP = "look at this machine: packages, memory, disk, GPU; or list the models there are"
EXAMPLES = """\
  shortlist doctor                                   can the main job run here? exit code 0 if so, 6 if not
  shortlist doctor --models                          every model with its settings
  shortlist doctor --json                            to go with a report of a bug"""

_MARKS = {"good": "ok  ", "absent": "-   ", "bad": "BAD "}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--models", action="store_true", help="list the models there are, and their settings")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    if args.models:
        _print_models(args.json)
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


def _print_models(as_json: bool) -> None:
    from shortlist.cli.model_list import described_models, model_lines
    from shortlist.core.extras import need

    need("torch", "train", "`shortlist doctor --models`")
    models = described_models()
    if as_json:
        print_json(models)
    else:
        print("\n".join(line for model in models for line in model_lines(model)))
