"""`shortlist data`: known public data sets."""

from __future__ import annotations

import argparse

from shortlist.cli.options import add_json_argument, add_quiet_argument, print_json, reporter

HELP = "list known public data sets, or fetch one from its official home"
EXAMPLES = """\
  shortlist data list                                what there is, and on whose terms
  shortlist data get movielens-1m                    into data/movielens-1m
  shortlist data get movielens-1m --folder /data     into /data/movielens-1m"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show every known data set")
    add_json_argument(listing)
    getting = actions.add_parser("get", help="fetch a data set, check its hash and write it as Parquet")
    getting.add_argument("name", metavar="NAME", help="as `shortlist data list` shows it")
    getting.add_argument("--folder", default="data", metavar="DIR", help="folder for data sets (default: data)")
    getting.add_argument("--url", help="another address of the same archive, such as a mirror")
    add_quiet_argument(getting)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.data.known import KNOWN, get

    if args.action == "get":
        folder = get(args.name, args.folder, args.url, reporter=reporter(args))
        reporter(args).say("next", f"shortlist init {' '.join(str(path) for path in sorted(folder.glob('*.parquet')))}")
        return 0
    if args.json:
        print_json([{"name": name, "title": k.title, "page": k.page, "terms": k.terms} for name, k in KNOWN.items()])
        return 0
    for name, known in KNOWN.items():
        print(f"{name:<16} {known.title}\n{'':<16} {known.page}\n{'':<16} {known.terms}")
    return 0
