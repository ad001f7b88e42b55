"""The command `shortlist`: finds the verb, calls it, and turns every outcome into text and an exit code.

A verb is one module with what `Verb` asks for. It imports at its top only what costs nothing, and the rest in its
`run`, so that `shortlist --help` answers at once and a serving host needs no packages of training.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol

from shortlist.cli import (
    bundle,
    compare_tasks,
    data,
    demo,
    doctor,
    evaluate,
    init,
    prepare,
    promote,
    recommend,
    register,
    reproduce,
    run,
    serve,
    similar,
    state,
    train,
    tune,
)
from shortlist.cli.faults import guarded
from shortlist.core.errors import UserError
from shortlist.core.suggest import did_you_mean


class Verb(Protocol):
    """What the module of a verb offers."""

    HELP: str
    """One line for the list of verbs."""
    EXAMPLES: str
    """Command lines that work, one a line, each with what it is for."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the verb's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Do the work and return the exit code."""


VERBS: Mapping[str, Verb] = {
    "init": init,
    "run": run,
    "prepare": prepare,
    "train": train,
    "evaluate": evaluate,
    "compare-tasks": compare_tasks,
    "tune": tune,
    "recommend": recommend,
    "similar": similar,
    "serve": serve,
    "state": state,
    "bundle": bundle,
    "register": register,
    "promote": promote,
    "reproduce": reproduce,
    "demo": demo,
    "doctor": doctor,
    "data": data,
}

_START = """\
start here:
  shortlist demo                          a made-up shop, from tables to recommendations
  shortlist init ratings.csv movies.csv   look at your tables and write a recipe
  shortlist run                           prepare, train, export and measure it
  shortlist serve runs/shortlist/bundle   answer requests over HTTP

exit codes:
  0 done    1 a bug    2 the command line or the recipe    3 the data    4 a bundle
  5 a request    6 the machine: disk, memory, a package, a port    7 parity
  8 a check that failed: not better, not reproduced    130 interrupted
"""


class _Help(argparse.RawDescriptionHelpFormatter):
    """As wide as the texts were written for."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=120)
        # argparse forgets that verbs are indented, and would put the longest of them on a line of its own.
        self._action_max_length = 4 + max(map(len, VERBS))


class _Parser(argparse.ArgumentParser):
    """Help in the form it was written in; a wrong command line is an error like any other."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Help, allow_abbrev=False, **options)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """An unknown verb or choice with the nearest known one."""
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            what = "verb" if action.dest == "verb" else action.dest
            self.error(f"there is no {what} {value!r}.{did_you_mean(str(value), choices)}")

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the whole usage, which hides the one line that matters."""
        raise UserError(f"{message}\n  {self.prog} --help   shows what it takes")


class _Version(argparse.Action):
    """`--version`, with the package's metadata read only when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print the version and stop."""
        from shortlist import __version__

        print(f"shortlist {__version__}")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs."""
    parser = _Parser(
        prog="shortlist",
        usage="shortlist VERB [OPTIONS]",
        description="From tables of interactions, users and items to a recommender: trained, measured, served.",
        epilog=_START,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version")
    everywhere = _Parser(add_help=False)
    everywhere.add_argument("--debug", action="store_true", help="show an error's traceback (or SHORTLIST_DEBUG=1)")
    verbs = parser.add_subparsers(title="verbs", prog="shortlist", dest="verb", metavar="VERB [OPTIONS]", required=True)
    for name, verb in VERBS.items():
        below = verbs.add_parser(
            name,
            help=verb.HELP,
            description=verb.HELP[:1].upper() + verb.HELP[1:] + ".",
            epilog=f"examples:\n{verb.EXAMPLES}",
            parents=[everywhere],
        )
        verb.add_arguments(below)
        below.set_defaults(run=verb.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return its exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    debug = "--debug" in words or os.environ.get("SHORTLIST_DEBUG", "0") not in ("", "0")

    def work() -> int:
        args = build_parser().parse_args(words or ["--help"])
        code: int = args.run(args)
        return code

    return guarded(work, debug)
