"""`shortlist demo`: a made-up shop, from tables to recommendations, with nothing to download."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from shortlist.cli.options import add_quiet_argument, add_tracking_argument, reporter
from shortlist.cli.stages import recorded

if TYPE_CHECKING:
    from shortlist.bundle.recommender import Recommender
    from shortlist.core.progress import Reporter

HELP = "simulate a coffee shop, and train, measure and show a recommender for it"
EXAMPLES = """\
  shortlist demo                                     5,000 users, into the folder demo; about a minute or two
  shortlist demo --users 500 --items 200             smaller and faster, and worse
  shortlist demo --users 100000 --folder big         larger"""

_TABLES = ("events", "users", "items")
_SHOWN = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--users", type=int, default=5_000, metavar="N", help="users of the shop (default: 5000)")
    parser.add_argument("--items", type=int, default=1_000, metavar="N", help="items of the shop (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the simulation (default: 0)")
    parser.add_argument("--folder", default="demo", metavar="DIR", help="where to put it all (default: demo)")
    parser.add_argument(
        "--set", action="append", default=[], dest="overrides", metavar="SECTION.SETTING=VALUE", help="change a setting"
    )
    parser.add_argument("--force", action="store_true", help="do every stage again")
    add_tracking_argument(parser)
    add_quiet_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Do the work and return the exit code."""
    from shortlist.core.extras import need

    for module in ("ibis", "torch"):
        need(module, "train", "`shortlist demo`")
    from shortlist.models.catalogue import check_models
    from shortlist.pipeline import Run
    from shortlist.recipe import load_recipe
    from shortlist.training.launch.outer import refuse

    refuse("shortlist demo")
    folder, to = Path(args.folder), reporter(args)
    _simulate(args, folder / "data", to)
    recipe_file = _write_recipe(folder, to)
    recipe = load_recipe(recipe_file, args.overrides, check=check_models)
    begun = Run(recipe, folder / "runs" / recipe.name, to, args.force)
    done = recorded(args, begun, recipe_file, "evaluate")
    if not args.quiet:
        print("\n".join(["", *_sample(done.recommender()), "", *_next(recipe_file, done.folder)]))
    return 0


def _simulate(args: argparse.Namespace, folder: Path, to: Reporter) -> None:
    """The shop's tables, unless they are there, of the same size and by the same version."""
    from shortlist.core.files import read_json, write_json
    from shortlist.core.version import __version__
    from shortlist.data.simulate import simulate_to

    wanted = {"users": args.users, "items": args.items, "seed": args.seed, "version": __version__}
    marker = folder / "shop.json"
    complete = all((folder / f"{table}.parquet").is_file() for table in _TABLES)
    if complete and marker.is_file() and read_json(marker) == wanted:
        to.say("simulate", f"done before: the shop is in {folder}")
        return
    marker.unlink(missing_ok=True)
    simulate_to(folder, users=args.users, items=args.items, seed=args.seed)
    write_json(marker, wanted)
    to.say("simulate", f"a shop with {args.users:,} users and {args.items:,} items in {folder}")


def _write_recipe(folder: Path, to: Reporter) -> Path:
    """The demo's recipe, unless there is one that somebody may have changed."""
    from importlib.resources import files

    from shortlist.core.files import whole_file

    path = folder / "shop.toml"
    text = files("shortlist.cli").joinpath("shop.toml").read_text("utf-8")
    if not path.exists():
        with whole_file(path) as draft:
            draft.write_text(text, encoding="utf-8")
    elif path.read_text("utf-8") != text:
        to.say("recipe", f"{path} differs from the demo's own and is used as it is; delete it to have that one back")
    return path


def _sample(recommender: Recommender) -> list[str]:
    """One user's latest events beside what is recommended."""
    from itertools import zip_longest

    import numpy as np
    import pyarrow as pa

    bundle = recommender.bundle
    known = bundle.histories.events.items
    counts = known.counts()
    row = int(np.argmin(np.abs(counts - np.median(counts[1:])))) if len(counts) > 1 else 0
    user = bundle.user_keys[row].as_py()
    latest = known.rows(np.array([row])).values[::-1]
    history = bundle.titles.take(pa.array(list(dict.fromkeys(latest.tolist()))[:_SHOWN], pa.int32())).to_pylist()
    answers = [item.title for item in recommender.recommend([user], _SHOWN)[0]]
    width = max([len(title or "") for title in history] + [len("met lately, the last first")])
    lines = [f"user {user}", f"  {'met lately, the last first':<{width}}   recommended"]
    return lines + [f"  {a or '':<{width}}   {b or ''}".rstrip() for a, b in zip_longest(history, answers)]


def _next(recipe: Path, run: Path) -> list[str]:
    bundle = shlex.quote(str(run / "bundle"))
    steps = {
        f"shortlist serve {bundle}": "answer over HTTP; /docs shows every route",
        f"shortlist recommend {bundle}": "every user, in batch, into a Parquet file",
        "shortlist demo": f"after a change in {recipe}: only what depends on it is redone",
        "shortlist init YOUR-TABLES...": "a recipe for your own data",
    }
    width = max(len(step) for step in steps)
    lines = ["what to try next", *(f"  {step:<{width}}   {what}" for step, what in steps.items())]
    activate = Path(sys.executable).parent / "activate"
    if shutil.which("shortlist") is None and activate.is_file():
        lines.append(f"  `shortlist` is not on your path yet: . {shlex.quote(str(activate))}")
    return lines
