"""`shortlist run`: everything from the tables to a measured bundle."""

from __future__ import annotations

import argparse

from shortlist.cli.options import add_json_argument, add_recipe_arguments, add_tracking_argument
from shortlist.cli.stages import measure, print_run

HELP = "prepare, train, export and measure a recipe; stages that are done and unchanged are skipped"
EXAMPLES = """\
  shortlist run                                      the recipe ./shortlist.toml into runs/shortlist
  shortlist run movies.toml --data /data/ml-1m       the same recipe on tables that lie elsewhere
  shortlist run --set ranking.epochs=3               with one setting changed
  shortlist run --json > result.json                 the figures for a program
  shortlist run --force --profile                    everything anew, and where the time went"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_recipe_arguments(parser)
    add_tracking_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    done = measure(args)
    done.run.reporter.say("try it", f"shortlist serve {done.run.folder / 'bundle'}")
    if args.json:
        print_run(done)
    return 0
