"""What `run`, `prepare`, `train` and `evaluate` share: walking the stages of a recipe up to one of them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from shortlist.cli.options import print_json, read_recipe, reporter, run_folder

if TYPE_CHECKING:
    from shortlist.pipeline import Run


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

    recipe = read_recipe(args)
    return Run(recipe, run_folder(args, recipe), reporter(args), args.force, Times() if args.profile else None)


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


def walk(args: argparse.Namespace, upto: Literal["prepare", "train", "evaluate"]) -> Walked:
    """Do the stages up to one of them, each unless it is done and unchanged; `--profile` says what took how long."""
    run = begin(args)
    run.walk(upto)
    return profiled(run)


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
