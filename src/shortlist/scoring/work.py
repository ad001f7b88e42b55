"""What the executors are asked to do: which users' lists go into which part, and what is asked for each user."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import Any

from shortlist.core.files import fingerprint

PLAN = "_plan.json"
"""In the folder of the lists: what they are of. Readers of Parquet folders pass names that begin with `_` over."""
DONE = "_SUCCESS"
"""In the folder once every part is there, as Spark and Hadoop have it."""
BUNDLE = "_bundle.tar"
"""In the folder while executors work: the bundle, where they do not see the driver's."""
USERS = "_users.arrow"
"""In the folder while executors work: the ids that are asked about, where they are not all that the bundle knows."""
_PART = re.compile(r"part-(\d{6,})\.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked for each user, as `bundle.batch.recommend_to` takes it."""

    k: int = 10
    exclude_seen: bool | None = None
    filter: str | None = None
    diversity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What each executor is told."""

    folder: str
    """Where the parts go: a path that all see, or an address that fsspec knows."""
    plan: dict[str, Any]
    """What the folder's plan must say."""
    bundle: str | None
    """Path of the bundle that all see; None where it lies in the folder."""
    part_users: int
    numbers: list[int]
    """Of the parts that are to be written."""
    question: Question
    threads: int

    def to_json(self) -> str:
        """As text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Work:
        """From what `to_json` wrote."""
        values = json.loads(text)
        return cls(**{**values, "question": Question(**values["question"])})


def part_name(number: int) -> str:
    """The file of a part."""
    return f"part-{number:06d}.parquet"


def part_number(name: str) -> int | None:
    """The part of a file; None if the file is something else."""
    found = _PART.fullmatch(name)
    return int(found[1]) if found else None


def part_count(users: int, part_users: int) -> int:
    """How many parts the lists of so many users make."""
    return -(-users // part_users)


def plan_of(manifest: Any, users_sha256: str | None, users: int, part_users: int, question: Question) -> dict[str, Any]:
    """What lists are of; two runs with equal plans write equal parts.

    `manifest` is the bundle's, which has the hash of each of its files.
    """
    return {
        "bundle": fingerprint(manifest),
        "users": users,
        "users_sha256": users_sha256,
        "part_users": part_users,
        **asdict(question),
    }
