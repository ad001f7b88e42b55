"""Processes as tasks of a Spark cluster, begun by Spark's TorchDistributor as one barrier stage.

Nothing is returned through Spark: weights, checkpoints, progress and failures lie in the run's folder, which every host
must see.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shortlist.cluster.session import open_session
from shortlist.core.errors import EnvironmentFault
from shortlist.core.extras import need
from shortlist.recipe.sections import Compute
from shortlist.training.device import choose_device
from shortlist.training.launch.failures import GO_ON, UNSEEN, failure_from_json, first_failure
from shortlist.training.launch.process import take_part

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PURPOSE = 'compute.launcher = "spark"'
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
        ours, jvms = need("pyspark.errors", "spark", _PURPOSE), need("py4j.protocol", "spark", _PURPOSE)
        started, session = open_session(self.compute.spark_master, "compute.spark_master")
        self._session = session
        session.sparkContext.setJobGroup(str(self.place), "shortlist: training", interruptOnCancel=True)
        has_gpu = choose_device(self.compute).type == "cuda"
        try:
            tasks = distributor.TorchDistributor(self.compute.processes, local_mode=False, use_gpu=has_gpu)
            tasks.run(take_part, self.place)
        except (ours.PySparkException, jvms.Py4JJavaError, RuntimeError) as error:
            raise _cause(self.place, str(error), self.compute) from error
        finally:
            self._session = None
            if started:
                session.stop()

    def stop(self) -> None:
        """End the job."""
        if self._session is not None:
            self._session.sparkContext.cancelJobGroup(str(self.place))


def _cause(place: Path, said: str, compute: Compute) -> Exception:
    """Of a task that failed Spark tells with everything that it wrote, and the stacks of two languages."""
    left = first_failure(place)
    if left is not None:
        return left
    if UNSEEN in said:
        found: dict[str, Any]
        found, _ = json.JSONDecoder().raw_decode(said.partition(UNSEEN)[2])
        return failure_from_json(found)
    missing = _NO_PACKAGE.search(said)
    if missing is not None:
        return EnvironmentFault(
            f"the executors at {compute.spark_master} have no package {missing[1]!r}. Install the same version of "
            "shortlist[train,spark] in their Python, or name another one in PYSPARK_PYTHON."
        )
    return EnvironmentFault(f"the Spark job at {compute.spark_master} failed: {_reason(said)}. {GO_ON}")


def _reason(said: str) -> str:
    """Below Python's stack, if there is one, stands what was wrong; else the first line says it."""
    _, has_stack, stack = said.partition("Traceback (most recent call last):\n")
    lines = [line for line in stack.splitlines() if not line.startswith(" ")] if has_stack else said.splitlines()
    return next((line.strip() for line in lines if line.strip()), "Spark does not say why")
