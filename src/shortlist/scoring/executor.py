"""The part of batch scoring that runs on executors. It needs no torch, and no engine for tables."""

from __future__ import annotations

import socket
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path

import pyarrow as pa

from shortlist.bundle.batch import recommend_to
from shortlist.bundle.recommender import Recommender
from shortlist.bundle.user_ids import known_users
from shortlist.core.errors import EnvironmentFault
from shortlist.core.extras import need
from shortlist.core.files import fingerprint, whole_folder
from shortlist.core.lock import in_turn
from shortlist.scoring.folder import Folder, open_folder
from shortlist.scoring.work import BUNDLE, PLAN, USERS, Work, part_name

ROWS = pa.schema({"rows": pa.int64()})
"""Of what each part tells the driver."""


def write_parts(work_json: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Write the parts at the places `id` of `Work.numbers`; yields how many rows each has."""
    work = Work.from_json(work_json)
    folder = open_folder(work.folder, "--output")
    if folder.read(PLAN) != work.plan:
        raise EnvironmentFault(
            f"the executor {socket.gethostname()} does not see {work.folder}, into which the driver has written "
            f"{PLAN}. Expected a folder that every host has mounted at the same path, or an address such as "
            "s3://bucket/folder; name one with --output."
        )
    planned = work.plan["bundle"]
    path = _unpacked(folder, planned) if work.bundle is None else _seen(work.bundle)
    recommender = _recommender(str(path), work.threads, planned)
    ids = known_users(recommender.bundle) if work.plan["users_sha256"] is None else _ids(folder)
    for batch in batches:
        for place in batch.column("id").to_pylist():
            number = work.numbers[place]
            users = ids.slice(number * work.part_users, work.part_users)
            write = partial(recommend_to, recommender, users, **asdict(work.question))
            rows = folder.put(part_name(number), write)
            yield pa.record_batch({"rows": pa.array([rows], pa.int64())}, ROWS)


@lru_cache(maxsize=1)
def _recommender(bundle: str, threads: int, planned: str) -> Recommender:
    """Opened once in each of Spark's Python processes, which share its memory-mapped files.

    The driver has compared every hash; here names and sizes are, and that its manifest is the plan's: processes outlive
    a run, and another bundle may come to lie at the same path.
    """
    found = Recommender.load(bundle, threads, verify=False)
    if fingerprint(found.bundle.manifest) != planned:
        raise EnvironmentFault(
            f"the executor {socket.gethostname()} has another bundle at {bundle} than the driver. "
            "Leave --shared-bundle out to have the driver's sent."
        )
    return found


def _seen(bundle: str) -> Path:
    if not Path(bundle).is_dir():
        raise EnvironmentFault(
            f"the executor {socket.gethostname()} does not see the bundle at {bundle}. Expected a path that every host "
            "has mounted; leave --shared-bundle out to have the bundle sent."
        )
    return Path(bundle)


def _unpacked(folder: Folder, planned: str) -> Path:
    """The bundle that the driver has sent, fetched once by each executor into the folder that it has for files."""
    root = Path(need("pyspark", "spark", "work on Spark").SparkFiles.getRootDirectory()).absolute()
    target = root / f"bundle-{planned}"
    with in_turn(root / f".{target.name}.lock"):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=root) as here, whole_folder(target) as draft:
                folder.fetch(BUNDLE, Path(here) / BUNDLE)
                with tarfile.open(Path(here) / BUNDLE) as archive:
                    archive.extractall(draft, filter="data")
    return target


def _ids(folder: Folder) -> pa.Array:
    with tempfile.TemporaryDirectory(prefix="shortlist-") as here:
        folder.fetch(USERS, Path(here) / USERS)
        with pa.OSFile(str(Path(here) / USERS)) as source:
            return pa.ipc.open_file(source).get_batch(0).column(0)
