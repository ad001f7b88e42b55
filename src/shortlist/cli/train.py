"""`shortlist train`: the models of a recipe."""

from __future__ import annotations

import argparse

from shortlist.cli.options import add_recipe_arguments, add_tracking_argument
from shortlist.cli.stages import walk

HELP = "train a recipe's models, after preparing its tables where that is not done"
EXAMPLES = """\
  shortlist train                                    the models of ./shortlist.toml
  shortlist train --force --set seed=1               once more, from another seed"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_recipe_arguments(parser)
    add_tracking_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    done = walk(args, "train").run
    done.reporter.say("next", "shortlist evaluate")
    return 0
