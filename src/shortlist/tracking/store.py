"""MLflow's store by explicit ids: no run is ever the active one of the process."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from shortlist.core.lock import in_turn
from shortlist.recipe.sections import Recipe
from shortlist.tracking.figures import Figures

PARENT = "mlflow.parentRunId"
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}
"""A training should not stand still for the minutes that MLflow itself would wait for a server."""
_METRICS_A_BATCH, _PARAMETERS_A_BATCH = 1000, 100
_SQLITE = "sqlite:///"
_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Without it MLflow's pages show what is there for language models."""


class Store:
    """The tracking store that MLflow's own environment variables name, or its default in the current folder."""

    def __init__(self, client: Any, uri: str) -> None:
        self.client = client
        self.uri = uri

    @classmethod
    def open(cls) -> Self:
        """Connect; a database that is not there yet is made, by one process even where several begin at once."""
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        import mlflow

        uri: str = mlflow.get_tracking_uri()
        with _alone(uri):
            return cls(mlflow.MlflowClient(uri), uri)

    def experiment(self, name: str) -> str:
        """The id of the experiment of that name, which is made if it is not there."""
        with _alone(self.uri):
            found = self.client.get_experiment_by_name(name)
            made: str = self.client.create_experiment(name, tags=_KIND) if found is None else found.experiment_id
            return made

    def is_there(self, run_id: str) -> bool:
        """Whether there is such a run, and nobody has deleted it."""
        from mlflow.exceptions import MlflowException

        try:
            stage: str = self.client.get_run(run_id).info.lifecycle_stage
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return stage == "active"

    def begin(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> str:
        """A new run, at work; its id."""
        run_id: str = self.client.create_run(experiment_id, tags=dict(tags), run_name=name).info.run_id
        return run_id

    def go_on(self, run_id: str) -> None:
        """A run of before is at work again."""
        self.client.update_run(run_id, status="RUNNING")

    def end(self, run_id: str, status: str) -> None:
        """FINISHED, FAILED or KILLED."""
        self.client.set_terminated(run_id, status=status)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        self.client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])

    def describe(self, run_id: str, parameters: Mapping[str, str]) -> None:
        """Set those parameters that the run does not have yet: MLflow lets nobody change one."""
        from mlflow.entities import Param

        known = self.client.get_run(run_id).data.params
        missing = [Param(name, value) for name, value in parameters.items() if name not in known]
        for some in _in_parts(missing, _PARAMETERS_A_BATCH):
            self.client.log_batch(run_id, params=some)

    def measure(self, run_id: str, figures: Figures, step: int = 0, model_id: str | None = None) -> None:
        """Add metrics at a step, of the run and of a model of it."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step, model_id, run_id=run_id) for name, value in figures.items()]
        for some in _in_parts(metrics, _METRICS_A_BATCH):
            self.client.log_batch(run_id, metrics=some)

    def steps(self, run_id: str, metric: str) -> set[int]:
        """The steps at which a run has a metric."""
        return {entry.step for entry in self.client.get_metric_history(run_id, metric)}

    def keep_file(self, run_id: str, path: Path) -> None:
        """Keep a file with the run."""
        self.client.log_artifact(run_id, str(path))

    def keep_text(self, run_id: str, text: str, name: str) -> None:
        """Keep a text with the run, as a file of that name."""
        self.client.log_text(run_id, text, name)

    def learned_from(self, run_id: str, name: str, digest: str, source: Any, profile: Any) -> None:
        """Say which data a run has used; `source` and `profile` are JSON values."""
        from mlflow.entities import Dataset, DatasetInput

        found = Dataset(name, digest, "local", json.dumps(source), profile=json.dumps(profile))
        self.client.log_inputs(run_id, [DatasetInput(found)])

    def new_model(self, experiment_id: str, run_id: str, name: str) -> str:
        """The id of a model that a run has made; its files come next."""
        made: str = self.client.create_logged_model(experiment_id, name, source_run_id=run_id).model_id
        return made

    def finish_model(self, model_id: str, run_id: str, folder: Path) -> None:
        """Keep the files of a model, which is ready then and stands among what the run has made."""
        from mlflow.entities import LoggedModelOutput

        self.client.log_model_artifacts(model_id, str(folder))
        self.client.finalize_logged_model(model_id, "READY")
        self.client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])


def experiment_of(recipe: Recipe) -> str:
    """The name of the experiment that a recipe's runs belong to; what MLflow's environment says goes first."""
    from mlflow.environment_variables import MLFLOW_EXPERIMENT_NAME

    return MLFLOW_EXPERIMENT_NAME.get() or recipe.tracking.experiment or recipe.name


def _in_parts(values: list[Any], most: int) -> Iterator[list[Any]]:
    for start in range(0, len(values), most):
        yield values[start : start + most]


@contextlib.contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Nobody else at a database in a file: two that make its tables at once would both fail."""
    if not uri.startswith(_SQLITE):
        yield
        return
    path = Path(unquote(uri.removeprefix(_SQLITE)).partition("?")[0]).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with in_turn(path.with_name(f".{path.name}.lock")):
        yield
