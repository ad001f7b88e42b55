"""`shortlist init`: a recipe from a look at the tables."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from shortlist.cli.options import add_json_argument, add_quiet_argument, print_json, reporter

if TYPE_CHECKING:
    from shortlist.tables.propose import Proposal

HELP = "look at tables and write a commented recipe that runs"
EXAMPLES = """\
  shortlist init ratings.csv movies.csv users.csv    ratings, with both sides described
  shortlist init clicks.parquet                      a click log alone: a recipe for a ranker
  shortlist init 'logs/*.csv' --user-id visitor --item-id sku --target 'action == "buy"'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        "tables",
        nargs="+",
        metavar="TABLE",
        help="Parquet, CSV, TSV or JSON lines; a file, folder or glob",
    )
    parser.add_argument(
        "--output", default="shortlist.toml", metavar="FILE", help="recipe to write (default: shortlist.toml)"
    )
    parser.add_argument("--force", action="store_true", help="replace a recipe that is already there")
    parser.add_argument("--user-id", metavar="COLUMN", help="the column with the user, where it is not recognised")
    parser.add_argument("--item-id", metavar="COLUMN", help="the column with the item")
    parser.add_argument("--timestamp", metavar="COLUMN", help="the column with the time")
    parser.add_argument("--target", metavar="EXPRESSION", help="what to predict: a column, or such as 'rating >= 4'")
    add_json_argument(parser)
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.core.errors import UserError
    from shortlist.core.extras import need
    from shortlist.core.files import whole_file

    for module in ("duckdb", "ibis"):
        need(module, "tables", "`shortlist init`")
    from shortlist.tables.propose import Hints, propose

    output = Path(args.output)
    if output.exists() and not args.force:
        raise UserError(f"{output} is already there. Replace it with --force, or write another one with --output FILE")
    hints = Hints(user_id=args.user_id, item_id=args.item_id, timestamp=args.timestamp, target=args.target)
    proposal = propose(args.tables, output.parent, hints)
    with whole_file(output) as draft:
        draft.write_text(proposal.text, encoding="utf-8")
    _report(args, proposal, output)
    return 0


def _report(args: argparse.Namespace, proposal: Proposal, output: Path) -> None:
    following = "shortlist run" if output == Path("shortlist.toml") else f"shortlist run {shlex.quote(str(output))}"
    if args.json:
        findings = [asdict(finding) for finding in proposal.findings]
        print_json({"recipe": str(output), "findings": findings, "split": proposal.split, "next": following})
    say = reporter(args).say
    width = max(10, *(len(finding.table) for finding in proposal.findings))
    for finding in proposal.findings:
        first, *rest = finding.lines
        said = [f"{finding.rows:>11,} rows  {first}", *(f"{'':<{width - 10 + 18}}{line}" for line in rest)]
        say(f"{finding.table:<{width}}", "\n".join(said))
    say("wrote", f"{output}: split {proposal.split}")
    say("next", following)
