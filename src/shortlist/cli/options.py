"""Options that several verbs share, and what they mean."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shortlist.core.progress import Reporter
    from shortlist.recipe import Recipe


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """RECIPE, what is changed of it, and where its tables are."""
    parser.add_argument(
        "recipe", nargs="?", default="shortlist.toml", metavar="RECIPE", help="recipe file (default: shortlist.toml)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="SECTION.SETTING=VALUE",
        help="change one setting of the recipe for this run; repeatable",
    )
    parser.add_argument("--data", metavar="DIR", help="folder of the tables (default: the recipe's own folder)")


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """RECIPE and what says where its data and its run are."""
    add_source_arguments(parser)
    add_runs_argument(parser)
    parser.add_argument("--force", action="store_true", help="redo stages that are done and unchanged, too")
    parser.add_argument("--profile", action="store_true", help="say afterwards which part of the work took how long")
    add_quiet_argument(parser)


def add_runs_argument(parser: argparse.ArgumentParser) -> None:
    """`--runs`."""
    parser.add_argument("--runs", default="runs", metavar="DIR", help="folder for runs (default: runs)")


def add_quiet_argument(parser: argparse.ArgumentParser) -> None:
    """`--quiet`."""
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON; all else goes to standard error")


def add_tracking_argument(parser: argparse.ArgumentParser) -> None:
    """`--no-tracking`."""
    parser.add_argument(
        "--no-tracking", action="store_true", help="do not record the run with MLflow (or SHORTLIST_TRACKING=0)"
    )


def is_recorded(args: argparse.Namespace) -> bool:
    """Whether the verb's runs are recorded with MLflow: what is not turned off is."""
    return not args.no_tracking and os.environ.get("SHORTLIST_TRACKING", "1") not in ("", "0")


def reporter(args: argparse.Namespace) -> Reporter:
    """Where the verb reports: standard error, or nowhere with `--quiet`."""
    from shortlist.core.progress import Silent, Terminal

    return Silent() if args.quiet else Terminal()


def read_recipe(args: argparse.Namespace) -> Recipe:
    """The recipe of `add_recipe_arguments`, checked together with the models it names."""
    from shortlist.models.catalogue import check_models
    from shortlist.recipe import load_recipe

    return load_recipe(args.recipe, args.overrides, args.data, check_models)


def run_folder(args: argparse.Namespace, recipe: Recipe) -> Path:
    """Where the run of `recipe` lives."""
    return Path(args.runs) / recipe.name


def print_json(value: Any) -> None:
    """`value` as JSON on standard output, and nothing else."""
    print(json.dumps(value, indent=2, allow_nan=False))
