"""`shortlist recommend --engine spark`: the driver, which plans, sends, waits and says what came of it."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from shortlist.bundle.read import write_table
from shortlist.bundle.recommender import Recommender
from shortlist.bundle.user_ids import known_users
from shortlist.cluster.executors import on_executors
from shortlist.cluster.faults import spark_errors
from shortlist.cluster.jobs import watched
from shortlist.cluster.session import open_session, stop, without_pandas_warning
from shortlist.core.errors import EnvironmentFault, RequestError
from shortlist.core.files import clear_unfinished, sha256, whole_file
from shortlist.core.lock import only_one
from shortlist.core.progress import Reporter, Silent
from shortlist.scoring.folder import Folder, SharedFolder, open_folder
from shortlist.scoring.work import (
    BUNDLE,
    DONE,
    PLAN,
    USERS,
    Question,
    Work,
    part_count,
    part_name,
    part_number,
    plan_of,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PART_USERS = 20_000
"""Users of a part: half a minute of work or so, and so what a killed executor loses."""
_SILENT = Silent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where the work is done."""

    master: str = "local[2]"
    """Of the Spark session, when none is running yet."""
    bundle_is_shared: bool = False
    """Whether executors see the bundle at the driver's path; else it is sent to each of them once, by the output."""
    part_users: int = PART_USERS
    threads: int = 1
    """Of the models, in each of Spark's tasks."""


@dataclass(frozen=True, slots=True)
class Written:
    """What came of it."""

    users: int
    rows: int
    parts: int
    earlier: int
    """Of the parts those that an earlier run had written."""


def recommend_on_spark(
    recommender: Recommender,
    users: pa.Array | None,
    output: str,
    question: Question,
    cluster: Cluster,
    *,
    reporter: Reporter = _SILENT,
) -> Written:
    """Write the lists of `users`, ids of the bundle's own type or None for all of them, into the folder `output`.

    Each part is a Parquet file of `cluster.part_users` users with the columns of `bundle.batch.recommend_to`, whole or
    not there: parts of an earlier run for the same bundle, users and question are kept as they are.

    RequestError for a question that cannot be answered, or a folder with something else in it; EnvironmentFault where
    the cluster does not do the work.
    """
    ids = known_users(recommender.bundle) if users is None else users
    _check(recommender, ids, question, cluster)
    folder = open_folder(output, "--output")
    with tempfile.TemporaryDirectory(prefix="shortlist-") as here, _alone(folder):
        file = None if users is None else _ids_file(Path(here), users)
        plan = plan_of(
            recommender.bundle.manifest,
            sha256(file) if file else None,
            len(ids),
            cluster.part_users,
            question,
        )
        missing = _missing(folder, output, plan)
        rows = 0
        if missing:
            # Readers take the folder for whole where this is there.
            folder.remove(DONE)
            sending = _Sending(recommender.bundle.path, file, folder, output, plan, question, cluster)
            with _opened(cluster.master) as session, sending.sent():
                rows = sending.run(session, missing, reporter)
        folder.write(DONE, {})
        parts = part_count(len(ids), cluster.part_users)
        earlier = sorted(set(range(parts)) - set(missing))
        rows += sum(folder.rows(part_name(number)) for number in earlier)
    return Written(len(ids), rows, parts, len(earlier))


def _check(recommender: Recommender, ids: pa.Array, question: Question, cluster: Cluster) -> None:
    """What is wrong with the question shows at one user, before a cluster is asked."""
    if cluster.part_users < 1:
        raise RequestError(f"--part-users must be at least 1, found {cluster.part_users}")
    if recommender.state is not None or len(recommender.bundle.changed_A):
        raise RequestError(
            "on Spark each executor opens the bundle by itself: expected one as it was exported, found a recommender "
            "with a state or with items added to it. Save it first, and leave the state out."
        )
    first = ids.slice(0, 1).to_pylist()
    requests = recommender.requests(first, exclude_seen=question.exclude_seen, filter=question.filter)
    recommender.run(requests, question.k, diversity=question.diversity)


@contextmanager
def _alone(folder: Folder) -> Iterator[None]:
    """Where the file system knows locks, one driver at a time; what killed executors left is removed."""
    if not isinstance(folder, SharedFolder):
        yield
        return
    if folder.path.is_file():
        raise RequestError(
            f"{folder.path} is a file, and lists by Spark are a folder of files. Name a new folder with --output."
        )
    with only_one(folder.path, "--output DIR"):
        clear_unfinished(folder.path)
        yield


def _missing(folder: Folder, output: str, plan: dict[str, Any]) -> list[int]:
    """Parts that are still to be written, once the folder has the plan; RequestError if it holds something else."""
    names = folder.names()
    found = folder.read(PLAN) if PLAN in names else None
    if found is None and names:
        raise RequestError(
            f"{output} is there already, and its files, such as {min(names)}, are not lists by Spark. "
            "Name a new folder with --output."
        )
    if found is None:
        folder.write(PLAN, plan)
    elif found != plan:
        differ = ", ".join(name for name in plan if found.get(name) != plan[name])
        raise RequestError(
            f"{output} holds lists of another run, which differs in: {differ}. "
            "Name a new folder with --output, or remove this one."
        )
    written = {part_number(name) for name in names}
    return [number for number in range(part_count(plan["users"], plan["part_users"])) if number not in written]


@contextmanager
def _opened(master: str) -> Iterator[SparkSession]:
    """The session; stopped in the end if it was started here."""
    with without_pandas_warning():
        started, session = open_session(master, "--master")
    try:
        yield session
    finally:
        if started:
            stop(session)


def _ids_file(here: Path, users: pa.Array) -> Path:
    path = here / USERS
    write_table(path, pa.record_batch({"id": users}))
    return path


@dataclass(frozen=True, slots=True)
class _Sending:
    """What goes to the executors, and by which way."""

    bundle: Path
    users: Path | None
    folder: Folder
    output: str
    plan: dict[str, Any]
    question: Question
    cluster: Cluster

    @contextmanager
    def sent(self) -> Iterator[None]:
        """What executors need lies in the folder of the lists until the end.

        They see that folder anyway. Spark's own way, by files that are added to a session, binds every later executor
        of the session to them, and a session that is shared or isolated may not take them at all.
        """
        try:
            if self.users is not None:
                self.folder.put(USERS, partial(_copy, self.users))
            if not self.cluster.bundle_is_shared:
                self.folder.put(BUNDLE, self._archive)
            yield
        finally:
            for name in (USERS, BUNDLE):
                self.folder.remove(name)

    def run(self, session: SparkSession, missing: list[int], reporter: Reporter) -> int:
        """Have the parts written; returns their rows."""
        users, part_users = self.plan["users"], self.cluster.part_users
        left = users - (part_count(users, part_users) - len(missing)) * part_users
        with (
            spark_errors(_fault),
            without_pandas_warning(),
            reporter.bar("recommend", left, "users") as advance,
        ):
            work = self._work(missing)
            parts = session.range(0, len(missing), 1, len(missing)).mapInArrow(
                on_executors("shortlist.scoring.executor", "write_parts", work.to_json()), "rows long"
            )
            found = watched(session, parts.toArrow, len(missing), lambda tasks: advance(tasks * part_users, ""))
        return int(sum(found["rows"].to_pylist()))

    def _work(self, missing: list[int]) -> Work:
        return Work(
            folder=self.output if "://" in self.output else str(Path(self.output).absolute()),
            plan=self.plan,
            bundle=str(self.bundle.absolute()) if self.cluster.bundle_is_shared else None,
            part_users=self.cluster.part_users,
            numbers=missing,
            question=self.question,
            threads=self.cluster.threads,
        )

    def _archive(self, path: Path) -> None:
        """Not compressed: vectors and hashes hardly get smaller."""
        with whole_file(path) as draft, tarfile.open(draft, "w") as archive:
            for file in sorted(path for path in self.bundle.rglob("*") if path.is_file()):
                archive.add(file, arcname=file.relative_to(self.bundle))


def _copy(source: Path, target: Path) -> None:
    with whole_file(target) as draft:
        shutil.copyfile(source, draft)


def _fault(why: str) -> EnvironmentFault:
    return EnvironmentFault(f"the Spark job failed: {why}. Run the same command again: parts that are there are kept.")
