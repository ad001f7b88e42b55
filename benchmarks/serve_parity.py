"""What the service answers beside what `shortlist recommend` writes: the same users, the same bundle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import ONE_THREAD, Options, all_met, at_most, say
from benchmarks.load import closed_loop
from benchmarks.result import Result
from benchmarks.serve_bundles import movielens, some_users
from benchmarks.served import serve
from shortlist.bundle.read import Bundle

DESCRIPTION = "the answers of the service beside the file of `shortlist recommend`, for 10,000 users"
UNIT = "share of the users whose list has the same items in the same order"
USERS, N = 10_000, 10
TOLERANCE = 1e-4
"""Scores this close are one: a product of one row and of a thousand rows rounds differently."""

List = Sequence[tuple[Any, float]]
"""Items and scores, best first."""
Lists = Mapping[Any, List]


def run(options: Options) -> Result:
    """Ask for the users of --bundle, by default MovieLens-1M, at most 10,000 of them."""
    bundle = options.bundle or movielens(options)
    users = some_users(bundle, 100 if options.quick else USERS, options.seed)
    written = lists_of_command(bundle, users, options)
    served = lists_of_service(bundle, users, options)
    different = [user for user in users if not same(written.get(user, []), served[user])]
    if different:
        # Features of the time of day may have turned between the two: then a second file has what the service said.
        say(f"{len(different)} lists differ; writing theirs again")
        again = lists_of_command(bundle, different, options)
        different = [user for user in different if not same(again.get(user, []), served[user])]
    equal = sum([item for item, _ in written.get(user, [])] == [item for item, _ in served[user]] for user in users)
    goals = {"users with another list": at_most(0, len(different))}
    return Result(
        name="serve_parity",
        passed=all_met(goals),
        unit=UNIT,
        ours=equal / len(users),
        goals=goals,
        details={
            "users": len(users),
            "how": f"Through HTTP one user at a time, in the file 1,024 at a time. A list is another one where an item "
            f"has another score by more than {TOLERANCE:g} of it, or another item stands in its place that has.",
        },
    )


def lists_of_command(bundle: Path, users: Sequence[Any], options: Options) -> Lists:
    """By user what `shortlist recommend` writes."""
    folder = options.folder("serve")
    asked, output = folder / "users.parquet", folder / "recommendations.parquet"
    column = Bundle.open(bundle, verify=False).recipe.schema_.user_column or "user_id"
    pq.write_table(pa.table({column: users}), asked)
    command = [sys.executable, "-m", "shortlist.cli", "recommend", str(bundle), "--users", str(asked)]
    command += ["--k", str(N), "--output", str(output), "--quiet"]
    subprocess.run(command, check=True, env={**os.environ, **ONE_THREAD})
    found: dict[Any, list[tuple[Any, float]]] = {}
    for row in pq.read_table(output).sort_by([("user_id", "ascending"), ("rank", "ascending")]).to_pylist():
        found.setdefault(row["user_id"], []).append((row["item_id"], row["score"]))
    return found


def lists_of_service(bundle: Path, users: Sequence[Any], options: Options) -> Lists:
    """By user what a server of the bundle answers."""
    found: dict[Any, List] = {}

    def keep(number: int, code: str, body: bytes) -> None:
        if code != "200":
            raise RuntimeError(f"the service answered {code}: {body[:300]!r}")
        found[users[number]] = [(item["item_id"], item["score"]) for item in orjson.loads(body)["items"]]

    with serve(bundle, options.folder("logs") / "serve-parity.log") as served:
        bodies = [orjson.dumps({"user_id": user, "n": N}) for user in users]
        requests = [served.target.post("/v1/recommend", body) for body in bodies]
        closed_loop(served.target, requests, len(requests), connections=4, answered=keep)
    return found


def same(one: List, other: List) -> bool:
    """The same items but for places that are shared: items of the same score may stand in any order."""
    if len(one) != len(other):
        return False
    if any(not _close(mine, its) for (_, mine), (_, its) in zip(one, other, strict=True)):
        return False
    scores = dict(other)
    last = other[-1][1] if other else 0.0
    # An item that the other list has not may have shared the last place with one that it has.
    return all(_close(score, scores.get(item, last)) for item, score in one)


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= TOLERANCE * max(1.0, abs(one), abs(other))
