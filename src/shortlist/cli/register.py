"""`shortlist register`: a run's bundle as a version in MLflow's registry."""

from __future__ import annotations

import argparse
from pathlib import Path

from shortlist.cli.options import add_json_argument, add_quiet_argument, print_json, reporter

HELP = "make a measured run's bundle a version in MLflow's registry: the challenger"
EXAMPLES = """\
  shortlist register runs/movies                   as the next version of `movies`
  shortlist register runs/movies-tuned --name movies"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("folder", metavar="RUN", help="folder of a run that `shortlist run` has measured and recorded")
    parser.add_argument("--name", help="name in the registry (default: the run folder's)")
    add_quiet_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.core.extras import need

    need("mlflow", "mlflow", "`shortlist register`")
    from shortlist.tracking.registry import Registry

    name = args.name or Path(args.folder).resolve().name
    version = Registry.open(name).register(Path(args.folder))
    reporter(args).say(
        "register", f"version {version.number} of {name}, the challenger   next: shortlist promote {name}"
    )
    if args.json:
        print_json({"name": name, "version": version.number, "bundle": version.bundle, "run_id": version.run_id})
    return 0
