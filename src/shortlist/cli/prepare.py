"""`shortlist prepare`: tables to shards."""

from __future__ import annotations

import argparse

from shortlist.cli.options import add_recipe_arguments, add_tracking_argument
from shortlist.cli.stages import walk

HELP = "read, check, split and encode a recipe's tables"
EXAMPLES = """\
  shortlist prepare                                  the tables of ./shortlist.toml
  shortlist prepare --set split.test=0.2             with more held out"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_recipe_arguments(parser)
    add_tracking_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    done = walk(args, "prepare").run
    done.reporter.say("next", "shortlist train")
    return 0
