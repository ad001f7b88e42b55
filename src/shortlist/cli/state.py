"""`shortlist state`: what users did, to and from Parquet."""

from __future__ import annotations

import argparse
from pathlib import Path

from shortlist.cli.options import add_json_argument, add_quiet_argument, print_json, reporter

HELP = "copy what users told a server into Parquet tables, or from such tables into a state"
EXAMPLES = """\
  shortlist state export runs/shortlist/state copy            copy/events.parquet and copy/users.parquet, while serving
  shortlist state import redis://db:6379/0 copy               the same into Redis: what is there already counts once
  shortlist state import runs/shortlist/state clicks.parquet  events alone: user_id, item_id, time and perhaps type"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    exporting = actions.add_parser("export", help="write its events and users as they are now, while others write")
    importing = actions.add_parser("import", help="add the events and users of Parquet tables")
    for action in (exporting, importing):
        action.add_argument("state", metavar="STATE", help="folder, or redis://HOST:PORT/0")
    exporting.add_argument("folder", metavar="FOLDER", help="where the two tables go")
    importing.add_argument("source", metavar="SOURCE", help="folder of an export, or one Parquet file of events")
    for action in (exporting, importing):
        add_json_argument(action)
        add_quiet_argument(action)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.state import open_state

    exporting = args.action == "export"
    state = open_state(args.state, create=not exporting)
    try:
        from shortlist.state.tables import export_state, import_state

        if exporting:
            counted = export_state(state, Path(args.folder), reporter(args))
            reporter(args).say("export", f"{counted.events:,} events, {counted.users:,} users in {args.folder}")
        else:
            counted = import_state(state, Path(args.source), reporter(args))
            reporter(args).say("import", f"{counted.events:,} new events, {counted.users:,} users into {args.state}")
    finally:
        state.close()
    if args.json:
        print_json({"events": counted.events, "users": counted.users})
    return 0
