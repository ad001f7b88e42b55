"""What `run`, `prepare`, `train` and `evaluate` share: walking the stages of a recipe up to one of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Literal

from shortlist.cli.options import print_json, read_recipe, reporter, run_folder

if TYPE_CHECKING:
    from shortlist.pipeline import Run


def walk(args: argparse.Namespace, upto: Literal["prepare", "train", "evaluate"]) -> Run:
    """Do the stages up to one of them, each unless it is done and unchanged."""
    from shortlist.core.extras import need

    for module in ("ibis", "torch"):
        need(module, "train", f"`shortlist {args.verb}`")
    from shortlist.pipeline import run_stages

    recipe = read_recipe(args)
    return run_stages(recipe, run_folder(args, recipe), reporter(args), upto, args.force)


def measure(args: argparse.Namespace) -> Run:
    """Do all stages; the results are shown even when they are those of an earlier run."""
    from time import time_ns

    from shortlist.evaluation.table import results_table

    started = time_ns()
    run = walk(args, "evaluate")
    if (run.folder / "metrics.json").stat().st_mtime_ns < started:
        run.reporter.say("evaluate", results_table(run.metrics()))
        run.reporter.say("report", str(run.folder / "report.html"))
    return run


def print_run(run: Run) -> None:
    """The run for a program: where its parts are, and metrics.json."""
    print_json(
        {
            "folder": str(run.folder),
            "bundle": str(run.folder / "bundle"),
            "report": str(run.folder / "report.html"),
            "metrics": run.metrics(),
        }
    )
