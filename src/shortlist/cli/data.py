"""`shortlist data`: known public data sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from shortlist.cli.options import add_json_argument, add_quiet_argument, print_json, reporter

HELP = "list, fetch, convert or make up the data sets that recipes are for"
EXAMPLES = """\
  shortlist data list                                what there is, and on whose terms
  shortlist data get movielens-1m                    into data/movielens-1m
  shortlist data get movielens-1m --folder /data     into /data/movielens-1m
  shortlist data convert frappe data/frappe          the files that its authors publish, for recipes/frappe.toml
  shortlist data make criteo data/criteo             a made-up log of the original's form, with nothing to download"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    actions = parser.add_subparsers(title="actions", dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="show every known data set")
    add_json_argument(listing)
    getting = actions.add_parser("get", help="fetch a data set, check its hash and write it as Parquet")
    getting.add_argument("name", metavar="NAME", help="as `shortlist data list` shows it")
    getting.add_argument("--folder", default="data", metavar="DIR", help="folder for data sets (default: data)")
    getting.add_argument("--url", help="another address of the same archive, such as a mirror")
    converting = actions.add_parser("convert", help="turn a data set's original files into the tables of its recipe")
    making = actions.add_parser("make", help="make up a data set in its original form, with nothing to download")
    for action in (converting, making):
        action.add_argument("name", metavar="NAME", help="as `shortlist data list` shows it")
        action.add_argument("folder", metavar="FOLDER", help="folder of the files")
    making.add_argument("--rows", type=int, default=100_000, metavar="N", help="rows of the log (default: 100000)")
    making.add_argument("--seed", type=int, default=0, metavar="N", help="seed of every random choice (default: 0)")
    for action in (getting, converting, making):
        add_quiet_argument(action)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    if args.action == "list":
        return _list(args)
    if args.action == "get":
        from shortlist.data.known import get

        folder = get(args.name, args.folder, args.url, reporter=reporter(args))
        reporter(args).say("next", f"shortlist init {' '.join(str(path) for path in sorted(folder.glob('*.parquet')))}")
        return 0
    from shortlist.data.published import convert, make

    making = args.action == "make"
    written = make(args.name, args.folder, args.rows, args.seed) if making else convert(args.name, args.folder)
    for path in written:
        reporter(args).say("data", f"{path}   {Path(path).stat().st_size / 2**20:,.1f} MiB")
    return 0


def _list(args: argparse.Namespace) -> int:
    from shortlist.data.known import KNOWN
    from shortlist.data.published import MADE_UP, PUBLISHED

    if args.json:
        found = [
            {"name": n, "action": "get", "title": k.title, "page": k.page, "terms": k.terms} for n, k in KNOWN.items()
        ]
        found += [{"name": n, "action": "convert", "title": k.title, "page": k.page} for n, k in PUBLISHED.items()]
        found += [{"name": n, "action": "make", "title": k.title} for n, k in MADE_UP.items()]
        print_json(found)
        return 0
    wide = max(len(name) for name in (*KNOWN, *PUBLISHED, *MADE_UP))
    below = " " * (len("convert  ") + wide + 1)
    for name, known in KNOWN.items():
        print(f"get      {name:<{wide}} {known.title}\n{below}{known.page}\n{below}{known.terms}")
    for name, published in PUBLISHED.items():
        files = ", ".join(published.files)
        print(f"convert  {name:<{wide}} {published.title}\n{below}{published.page}: {files}")
    for name, made_up in MADE_UP.items():
        print(f"make     {name:<{wide}} {made_up.title}")
    return 0
