"""A Spark action that is watched while it runs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any, TypeVar

from shortlist.core.errors import EnvironmentFault
from shortlist.core.extras import need

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

Result = TypeVar("Result")

_POLL_S = 0.2
PATIENCE_S = 180.0
"""Within which some executor should be at work: without a word Spark would wait for one for ever."""
_NOBODY = (
    "for {:.0f} s no executor has taken any work: the cluster has no free worker with the cores and the memory that "
    "are asked for. See the master's page, and spark.executor.memory and spark.cores.max."
)


def watched(
    session: SparkSession,
    action: Callable[[], Result],
    tasks: int = 0,
    done: Callable[[int], None] = lambda _: None,
    patience_s: float = PATIENCE_S,
) -> Result:
    """The result of `action`, whose last stage has `tasks` tasks; `done` hears how many ended since it last heard.

    Without tasks nobody hears of them. Ctrl-C and every other error here end the job. EnvironmentFault where no
    executor takes work within `patience_s`.
    """
    context, group = session.sparkContext, f"shortlist-{uuid.uuid4().hex[:8]}"
    result: Future[Result] = Future()

    def work() -> None:
        context.setJobGroup(group, "shortlist", interruptOnCancel=True)
        try:
            result.set_result(action())
        except BaseException as error:
            result.set_exception(error)

    need("pyspark", "spark", "work on Spark").InheritableThread(target=work, daemon=True).start()
    told, until = 0, time.monotonic() + patience_s
    try:
        while not result.done():
            wait((result,), _POLL_S)
            stages = _stages(context.statusTracker(), group)
            ended = max((stage.numCompletedTasks for stage in stages if stage.numTasks == tasks), default=0)
            if ended > told:
                done(ended - told)
                told = ended
            if not stages or any(stage.numActiveTasks or stage.numCompletedTasks for stage in stages):
                until = time.monotonic() + patience_s
            elif time.monotonic() > until and not result.done():
                raise EnvironmentFault(_NOBODY.format(patience_s))
    except BaseException:
        context.cancelJobGroup(group)
        raise
    return result.result()


def _stages(tracker: Any, group: str) -> list[Any]:
    """Of all jobs of a group, as far as the tracker still knows them."""
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
    stages = [tracker.getStageInfo(number) for job in jobs if job is not None for number in job.stageIds]
    return [stage for stage in stages if stage is not None]
