"""What `run`, `prepare`, `train` and `evaluate` share: walking the stages of a recipe up to one of them."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from shortlist.cli.options import is_recorded, print_json, read_recipe, reporter, run_folder

if TYPE_CHECKING:
    from shortlist.pipeline import Run
    from shortlist.pipeline.stages import Upto


class Walked(NamedTuple):
    """A run and, where it was asked for, its profile as JSON."""

    run: Run
    profile: dict[str, Any] | None = None


def begin(args: argparse.Namespace) -> Run:
    """The run that `add_recipe_arguments` describe, nothing of it done yet."""
    from shortlist.core.extras import need

    for module in ("ibis", "torch"):
        need(module, "train", f"`shortlist {args.verb}`")
    from shortlist.pipeline import Run, Times
    from shortlist.training.launch import outer

    recipe = read_recipe(args)
    if outer.is_outer():
        outer.check_processes(recipe.compute)
        if not outer.begin():
            raise SystemExit(0)
    return Run(recipe, run_folder(args, recipe), reporter(args), args.force, Times() if args.profile else None)


def recorded(args: argparse.Namespace, run: Run, recipe_file: Path, upto: Upto) -> Run:
    """Do the stages up to one of them, recorded with MLflow unless that is turned off.

    What was done before and recorded by nobody is recorded, too.
    """
    if not is_recorded(args):
        run.walk(upto)
        return run
    from shortlist.tracking.watch import MlflowWatch

    watch = MlflowWatch(recipe_file)
    watched = replace(run, watch=watch)
    watched.walk(upto)
    watch.catch_up(watched)
    return watched


def profiled(run: Run) -> Walked:
    """The run with what took how long, which the reporter is told, where `--profile` asks for it."""
    if run.times is None:
        return Walked(run)
    if run.times.stages:
        run.reporter.say("profile", run.times.table())
    else:
        run.reporter.say(
            "profile", "all stages were done before, so there is nothing to see; do them again with --force"
        )
    return Walked(run, run.times.to_json())


def walk(args: argparse.Namespace, upto: Upto) -> Walked:
    """Do the stages up to one of them, each unless it is done and unchanged; `--profile` says what took how long."""
    return profiled(recorded(args, begin(args), Path(args.recipe), upto))


def measure(args: argparse.Namespace) -> Walked:
    """Do all stages; the results are shown even when they are those of an earlier run."""
    from time import time_ns

    from shortlist.evaluation.table import results_table

    started = time_ns()
    walked = walk(args, "evaluate")
    run = walked.run
    if (run.folder / "metrics.json").stat().st_mtime_ns < started:
        run.reporter.say("evaluate", results_table(run.metrics()))
        run.reporter.say("report", str(run.folder / "report.html"))
    return walked


def print_run(walked: Walked) -> None:
    """The run for a program: where its parts are, metrics.json, and with `--profile` what took how long."""
    run = walked.run
    print_json(
        {
            "folder": str(run.folder),
            "bundle": str(run.folder / "bundle"),
            "report": str(run.folder / "report.html"),
            "metrics": run.metrics(),
            **({"profile": walked.profile} if walked.profile else {}),
        }
    )
