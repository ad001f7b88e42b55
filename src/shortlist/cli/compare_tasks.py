"""`shortlist compare-tasks`: whether the targets of a ranker help or hurt each other."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from shortlist.cli.options import add_json_argument, add_recipe_arguments, print_json
from shortlist.cli.stages import begin, profiled

HELP = "train each target of a recipe's ranker alone, and compare it with the ranker of all targets"
EXAMPLES = """\
  shortlist compare-tasks                                          the targets of ./shortlist.toml
  shortlist compare-tasks shop.toml --set ranking.model.tasks=ple  with another way of sharing
  shortlist compare-tasks --json | jq .tasks                       the figures for a program"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_recipe_arguments(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.pipeline import compare_tasks

    started = begin(args)
    found = compare_tasks(started)
    done = profiled(started)
    if args.json:
        profile = {"profile": done.profile} if done.profile else {}
        print_json({"folder": str(started.folder), "tasks": [asdict(row) for row in found], **profile})
    return 0
