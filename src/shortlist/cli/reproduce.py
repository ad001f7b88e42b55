"""`shortlist reproduce`: a recorded run once more."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from shortlist.cli.options import add_json_argument, add_quiet_argument, add_runs_argument, print_json, reporter

if TYPE_CHECKING:
    from shortlist.tracking.reproduce import Figure, Reproduced

HELP = "do a run again from what MLflow has recorded of it, and compare the figures: exit code 8 where they differ"
EXAMPLES = """\
  shortlist reproduce 5f0c6a1de7b24f2d9a3f3f6f7f0e2a11           its id, as `mlflow ui` and the run itself show it
  shortlist reproduce 5f0c6a1de7b24f2d9a3f3f6f7f0e2a11 --json    the figures for a program"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("run_id", metavar="RUN_ID", help="id of the MLflow run")
    add_runs_argument(parser)
    add_quiet_argument(parser)
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.core.errors import GateError
    from shortlist.core.extras import need

    need("mlflow", "mlflow", "`shortlist reproduce`")
    from shortlist.tracking.reproduce import reproduce
    from shortlist.training.launch.outer import refuse

    refuse("shortlist reproduce")
    found = reproduce(args.run_id, Path(args.runs), reporter(args))
    reporter(args).say("reproduce", _table(found))
    if args.json:
        figures = [{**asdict(figure), "same": figure.is_same} for figure in found.figures]
        print_json({"run": str(found.run.folder), "same": found.is_same, "changes": found.changes, "figures": figures})
    return 0 if found.is_same else GateError.exit_code


def _table(found: Reproduced) -> str:
    """A row for each figure, and what was not as before."""
    width = max(len(figure.name) for figure in found.figures)
    lines = [f"{'':<{width}}  {'then':>10}  {'again':>10}"]
    lines += [
        f"{figure.name:<{width}}  {_short(figure.before):>10}  {_short(figure.again):>10}{_mark(figure)}"
        for figure in found.figures
    ]
    lines += [f"not as it was: {change}" for change in found.changes]
    same = sum(figure.is_same for figure in found.figures)
    lines.append(f"{same} of {len(found.figures)} figures are the same")
    return "\n".join(lines)


def _mark(figure: Figure) -> str:
    return "" if figure.is_same else "  differs"


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}"
