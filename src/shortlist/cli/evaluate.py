"""`shortlist evaluate`: how good the exported funnel is on held-out users."""

from __future__ import annotations

import argparse

from shortlist.cli.options import add_json_argument, add_recipe_arguments, add_tracking_argument
from shortlist.cli.stages import measure, print_run

HELP = "measure a recipe's bundle on held-out users, after making it where that is not done"
EXAMPLES = """\
  shortlist evaluate                                   the results of ./shortlist.toml, measured if they are not yet
  shortlist evaluate --set evaluation.max_users=1000   on a sample of the held-out users
  shortlist evaluate --json | jq .metrics.stages       the figures for a program"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_recipe_arguments(parser)
    add_tracking_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    done = measure(args)
    if args.json:
        print_run(done)
    return 0
