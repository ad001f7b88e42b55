"""Processes as tasks of a Spark cluster, begun by Spark's TorchDistributor as one barrier stage.

Nothing is returned through Spark: weights, checkpoints, progress and failures lie in the run's folder, which every host
must see.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortlist.cluster.faults import reason, said, spark_exceptions
from shortlist.cluster.session import open_session, stop
from shortlist.core.errors import EnvironmentFault
from shortlist.core.extras import need
from shortlist.recipe.sections import Compute
from shortlist.training.launch.failures import GO_ON, UNSEEN, failure_from_json, first_failure
from shortlist.training.launch.process import take_part

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PURPOSE = 'compute.launcher = "spark"'
_TASK_GPUS = "spark.task.resource.gpu.amount"
_KILLED = re.compile(r"Signal \d+ \(SIG[A-Z]+\) received by PID \d+")
"""What torchrun writes of a process that could leave no word."""
_NO_PACKAGE = re.compile("No module named '([^'.]+)")


class OnSpark:
    """The work that lies in `place`, as one job of a Spark cluster."""

    def __init__(self, place: Path, compute: Compute) -> None:
        need("pyspark", "spark", _PURPOSE)
        self.place = place
        self.compute = compute
        self._session: SparkSession | None = None

    def run(self) -> None:
        """Train in as many tasks as the recipe says; what one of them fails of is raised."""
        distributor = need("pyspark.ml.torch.distributor", "spark", _PURPOSE)
        started, session = open_session(self.compute.spark_master, "compute.spark_master")
        try:
            self._session = session
            session.sparkContext.setJobGroup(str(self.place), "shortlist: training", interruptOnCancel=True)
            has_gpu = on_gpus(self.compute, session.sparkContext.getConf().get(_TASK_GPUS))
            tasks = distributor.TorchDistributor(self.compute.processes, local_mode=False, use_gpu=has_gpu)
            tasks.run(take_part, self.place)
        except spark_exceptions(RuntimeError) as error:
            raise _cause(self.place, error, self.compute) from error
        finally:
            self._session = None
            if started:
                stop(session)

    def stop(self) -> None:
        """End the job."""
        if self._session is not None:
            self._session.sparkContext.cancelJobGroup(str(self.place))


def on_gpus(compute: Compute, gpus_of_a_task: str | None) -> bool:
    """Whether the tasks train on GPUs: as the recipe says, and for auto where Spark gives each task one.

    What the driver has is no matter. EnvironmentFault where the recipe asks for GPUs that Spark does not give out.
    """
    gives = int(gpus_of_a_task or 0) > 0
    if compute.device == "cuda" and not gives:
        raise EnvironmentFault(
            f'compute.device = "cuda": expected a Spark application whose tasks get a GPU each, found {_TASK_GPUS} = '
            f"{gpus_of_a_task or 'unset'}. Set it, and spark.executor.resource.gpu.amount, where the application is "
            'started; or compute.device = "auto", which takes what there is.'
        )
    return gives and compute.device != "cpu"


def _cause(place: Path, error: Exception, compute: Compute) -> Exception:
    """Of a task that failed Spark tells with everything that it wrote, and the stacks of two languages."""
    left = first_failure(place)
    if left is not None:
        return left
    told = said(error)
    if UNSEEN in told:
        found: dict[str, Any]
        found, _ = json.JSONDecoder().raw_decode(told.partition(UNSEEN)[2])
        return failure_from_json(found)
    missing = _NO_PACKAGE.search(told)
    if missing is not None:
        return EnvironmentFault(
            f"the executors at {compute.spark_master} have no package {missing[1]!r}. Install the same version of "
            "shortlist[train,spark] in their Python, or name another one in PYSPARK_PYTHON."
        )
    killed = _KILLED.search(told)
    why = f"one of its processes ended by itself: {killed[0]}" if killed else reason(error)
    return EnvironmentFault(f"the Spark job at {compute.spark_master} failed: {why}. {GO_ON}")
