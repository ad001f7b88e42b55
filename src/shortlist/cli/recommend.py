"""`shortlist recommend`: the best items for some users on the screen, or for all of them in a Parquet file."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortlist.cli.options import add_json_argument, add_quiet_argument, print_json, reporter

if TYPE_CHECKING:
    import pyarrow as pa

    from shortlist.bundle.reasons import Reasons
    from shortlist.bundle.recommender import Recommendation, Recommender

HELP = "recommend items to users: to all of them, into a Parquet file, or to a few, on the screen"
EXAMPLES = """\
  shortlist recommend runs/shortlist/bundle                       every user, into recommendations.parquet
  shortlist recommend runs/shortlist/bundle --user 42 --user 43   two users, to read
  shortlist recommend bundle --history '["mug-3"]'                 a new visitor or session who did this
  shortlist recommend bundle --user 42 --filter 'category = "coffee" and price < 20' --explain
  shortlist recommend bundle --users vip.csv --k 50 --output vip.parquet
  shortlist recommend bundle --engine spark --master spark://host:7077 --output lists
  shortlist recommend bundle --user 42 --json | jq '.[0].items[0].item_id'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of the bundle")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--user", action="append", metavar="ID", help="show what this user gets; repeatable")
    who.add_argument(
        "--users",
        metavar="FILE",
        help="only these: Parquet or CSV with the user column, or an id a line",
    )
    parser.add_argument(
        "--history",
        metavar="JSON",
        help='what the user, or nobody known, has just done: \'[12, {"item": 17, "type": "cart"}]\', oldest first',
    )
    parser.add_argument(
        "--filter", metavar="CONDITION", help="choose from these items: 'category = \"coffee\" and price < 20'"
    )
    parser.add_argument(
        "--diversity",
        type=float,
        metavar="SHARE",
        help="how much likeness to those above counts against an item, 0 to 1 (default: as the rules say)",
    )
    parser.add_argument("--explain", action="store_true", help="say why each item is there; with --user or --history")
    parser.add_argument("--state", metavar="ADDRESS", help="what users did since: as `shortlist serve` keeps it")
    parser.add_argument("--k", type=int, default=10, metavar="N", help="items for each user (default: 10)")
    parser.add_argument(
        "--output", default="recommendations.parquet", metavar="FILE", help="Parquet file (default: %(default)s)"
    )
    parser.add_argument("--include-seen", action="store_true", help="also items the user has already met")
    parser.add_argument(
        "--engine", choices=["local", "spark"], default="local", help="where lists for a file are made (default: local)"
    )
    parser.add_argument("--master", default="local[2]", metavar="URL", help="of Spark (default: %(default)s)")
    parser.add_argument(
        "--shared-bundle", action="store_true", help="Spark's executors see BUNDLE, too: do not send it to them"
    )
    parser.add_argument(
        "--part-users", type=int, metavar="N", help="with Spark, users of one Parquet file (default: 20,000)"
    )
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads of the models (default: 1)")
    add_json_argument(parser)
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.bundle.recommender import Recommender
    from shortlist.core.errors import UserError
    from shortlist.state import open_state

    if args.users and args.history:
        raise UserError("--history is that of one user: name them with --user, or leave --users out for somebody new")
    if args.explain and not (args.user or args.history):
        raise UserError("--explain is for the screen: name users with --user, or somebody new by --history")
    _check_engine(args)
    state = open_state(args.state, create=False) if args.state else None
    recommender = Recommender.load(args.bundle, args.threads, state=state)
    if args.user or args.history:
        _show(args, recommender)
    else:
        _write(args, recommender)
    return 0


def _check_engine(args: argparse.Namespace) -> None:
    from shortlist.core.errors import UserError

    if args.engine == "spark":
        if args.user or args.history:
            raise UserError("--engine spark writes lists for many users: leave --user and --history out")
        if args.state:
            raise UserError("--engine spark: executors do not open a --state; leave it out, or use --engine local")
    elif args.shared_bundle or args.part_users is not None:
        raise UserError("--shared-bundle and --part-users are for --engine spark")


def _seen(args: argparse.Namespace) -> bool | None:
    """None: as the recipe says."""
    return False if args.include_seen else None


def _write(args: argparse.Namespace, recommender: Recommender) -> None:
    from shortlist.bundle.user_ids import as_user_ids, read_user_ids

    bundle, users = recommender.bundle, None
    if args.users:
        column = bundle.recipe.schema_.user_column or "user_id"
        users = as_user_ids(bundle, read_user_ids(Path(args.users), column))
    said = (_write_on_spark if args.engine == "spark" else _write_here)(args, recommender, users)
    reporter(args).say("recommend", f"{said['users']:,} users, {said['rows']:,} rows in {args.output}")
    if args.json:
        print_json({"output": args.output, **said})


def _write_here(args: argparse.Namespace, recommender: Recommender, users: pa.Array | None) -> dict[str, int]:
    from shortlist.bundle.batch import recommend_to
    from shortlist.bundle.user_ids import known_users

    ids = known_users(recommender.bundle) if users is None else users
    rows = recommend_to(
        recommender,
        ids,
        Path(args.output),
        args.k,
        _seen(args),
        reporter=reporter(args),
        filter=args.filter,
        diversity=args.diversity,
    )
    return {"users": len(ids), "rows": rows}


def _write_on_spark(args: argparse.Namespace, recommender: Recommender, users: pa.Array | None) -> dict[str, int]:
    from shortlist.scoring.spark import PART_USERS, Cluster, recommend_on_spark
    from shortlist.scoring.work import Question

    question = Question(k=args.k, exclude_seen=_seen(args), filter=args.filter, diversity=args.diversity)
    cluster = Cluster(
        master=args.master,
        bundle_is_shared=args.shared_bundle,
        part_users=PART_USERS if args.part_users is None else args.part_users,
        threads=args.threads,
    )
    return asdict(recommend_on_spark(recommender, users, args.output, question, cluster, reporter=reporter(args)))


def _show(args: argparse.Namespace, recommender: Recommender) -> None:
    import pyarrow as pa

    from shortlist.bundle.past_events import parse_events
    from shortlist.bundle.user_ids import as_user_ids

    ids = as_user_ids(recommender.bundle, pa.array(args.user or [None], pa.string()))
    known = [bool(row) for row in recommender.bundle.user_vocabulary.lookup(ids)]
    history = [parse_events(args.history)] * len(ids) if args.history else None
    answers = recommender.recommend(
        ids.to_pylist(),
        args.k,
        _seen(args),
        history=history,
        filter=args.filter,
        diversity=args.diversity,
        explain=args.explain,
    )
    if args.json:
        users = zip(ids.to_pylist(), known, answers, strict=True)
        print_json([{"user_id": user, "known": seen, "items": _as_dicts(items)} for user, seen, items in users])
        return
    for user, seen, items in zip(ids.to_pylist(), known, answers, strict=True):
        who = "somebody" if user is None else f"user {user}{'' if seen else '   (never seen: gets what new users get)'}"
        print(who)
        print("\n".join(table_lines(items)) or "  nothing is left to recommend")


def _as_dicts(items: list[Recommendation]) -> list[dict[str, Any]]:
    dicts = []
    for rank, i in enumerate(items, 1):
        told: dict[str, Any] = {
            "rank": rank,
            "item_id": i.item_id,
            "score": i.score,
            "source": i.source,
            "title": i.title,
        }
        told |= {} if i.predictions is None else {"predictions": i.predictions}
        dicts.append(told if i.reasons is None else {**told, "reasons": asdict(i.reasons)})
    return dicts


def table_lines(items: list[Recommendation]) -> list[str]:
    """One line an item: rank, score, id, title, source; and where they are known the reasons below it."""
    width = max((len(str(item.item_id)) for item in items), default=0)
    named = max((len(item.title or "") for item in items), default=0)
    lines = []
    for rank, i in enumerate(items, 1):
        lines.append(
            f"  {rank:>3}  {i.score:>8.3f}  {i.item_id!s:<{width}}  {i.title or '':<{named}}  {i.source}".rstrip()
        )
        lines += [] if i.reasons is None else [f"{'':>17}{line}" for line in _reason_lines(i.reasons)]
    return lines


def _reason_lines(why: Reasons) -> list[str]:
    ranking = "" if why.ranking is None else f", ranking {why.ranking:.3f}"
    lines = [f"retrieval {why.retrieval:.3f}{ranking}; proposed by {', '.join(why.sources)}"]
    if why.history:
        lines.append("like " + ", ".join(f"{near.title or near.item_id} ({near.cosine:.2f})" for near in why.history))
    return [*lines, *why.rules]
