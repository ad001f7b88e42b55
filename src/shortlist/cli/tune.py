"""`shortlist tune`: better settings for a recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

from shortlist.cli.options import (
    add_json_argument,
    add_quiet_argument,
    add_runs_argument,
    add_source_arguments,
    add_tracking_argument,
    is_recorded,
    print_json,
    reporter,
)

HELP = "search better settings for a recipe on its validation split, and measure the best of them on the test"
EXAMPLES = """\
  shortlist tune                                    ./shortlist.toml, over the ranges of its [tune] or the usual ones
  shortlist tune movies.toml --workers 2 --minutes 60
  shortlist tune --spark spark://host:7077 --workers 8
  shortlist tune --set 'tune.ranking.dense.lr={log=[1e-4,1e-2]}' --trials 20
  shortlist tune                                    once more: it goes on, with more --trials further"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    add_source_arguments(parser)
    add_runs_argument(parser)
    parser.add_argument("--trials", type=int, metavar="N", help="most trials, those of before among them (default: 30)")
    parser.add_argument("--minutes", type=float, metavar="M", help="begin no trial after so many minutes")
    parser.add_argument("--patience", type=int, metavar="N", help="stop after so many trials without a better one")
    parser.add_argument("--workers", type=int, metavar="N", help="trials at a time, in processes (default: 1)")
    parser.add_argument("--spark", metavar="MASTER", help="run the trials on a Spark cluster, which sees these folders")
    parser.add_argument("--out", metavar="FILE", help="the best recipe (default: NAME-tuned.toml beside the recipe)")
    add_tracking_argument(parser)
    add_quiet_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.core.extras import need

    for module, extra in (("ibis", "train"), ("torch", "train"), ("optuna", "tune"), ("tomlkit", "tune")):
        need(module, extra, "`shortlist tune`")
    from shortlist.training.launch.outer import refuse

    refuse("shortlist tune")
    from shortlist.tuning import tune
    from shortlist.tuning.outcome import as_json, table

    asked = ("trials", "minutes", "patience", "workers", "spark")
    settings = [f"tune.{name}={getattr(args, name)}" for name in asked if getattr(args, name) is not None]
    out = Path(args.out) if args.out else None
    to = reporter(args)
    given = [*args.overrides, *settings]
    found = tune(Path(args.recipe), given, args.data, Path(args.runs), to, out=out, record=is_recorded(args))
    to.say("tune", table(found))
    to.say("report", str(found.plan.folder / "tune.html"))
    if found.tuned is not None:
        to.say("recipe", str(found.tuned.file))
        to.say("try it", f"shortlist serve {found.tuned.run.folder / 'bundle'}")
    if args.json:
        print_json(as_json(found))
    return 0
