"""`shortlist similar`: the items like a given one."""

from __future__ import annotations

import argparse

from shortlist.cli.options import add_json_argument, print_json
from shortlist.cli.recommend import table_lines

HELP = "show the items that are most like a given one"
EXAMPLES = """\
  shortlist similar runs/shortlist/bundle 318             ten items like 318
  shortlist similar runs/shortlist/bundle 318 50 --k 5    five like each of two
  shortlist similar bundle 318 --json | jq '.[0].items[0].item_id'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument("items", nargs="+", metavar="ITEM", help="ids of items, as the tables have them")
    parser.add_argument("-k", "--k", type=int, default=10, metavar="N", help="items for each (default: 10)")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    import pyarrow as pa

    from shortlist.bundle.recommender import Recommender
    from shortlist.bundle.user_ids import as_item_ids

    recommender = Recommender.load(args.bundle)
    keys = as_item_ids(recommender.bundle, pa.array(args.items))
    ids = keys.to_pylist()
    answers = recommender.similar(ids, args.k)
    if args.json:
        told = [[{"item_id": i.item_id, "score": i.score, "title": i.title} for i in items] for items in answers]
        print_json([{"like": item, "items": items} for item, items in zip(ids, told, strict=True)])
        return 0
    for item, row, items in zip(ids, recommender.bundle.item_rows(keys), answers, strict=True):
        print(f"like {item}  {recommender.bundle.titles[row].as_py() or ''}".rstrip())
        print("\n".join(table_lines(items)) or "  nothing is known to be like it")
    return 0
