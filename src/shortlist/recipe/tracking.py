"""[tracking]: what is recorded of a run, where the command does so."""

from __future__ import annotations

from shortlist.core.settings import Settings


class Tracking(Settings):
    """How a run is recorded with MLflow. It changes no result, and no stage is done again for it."""

    experiment: str | None = None
    """Name of the MLflow experiment; default: the recipe's name. The variable MLFLOW_EXPERIMENT_NAME wins."""
    bundle: bool = True
    """Keep the bundle with the run, as an MLflow model."""
