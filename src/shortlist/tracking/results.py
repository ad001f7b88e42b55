"""What is recorded of a run that was measured: its figures, the report with its charts, and the bundle."""

from __future__ import annotations

import shutil
import uuid
from typing import TYPE_CHECKING

from shortlist.bundle.manifest import check_manifest, version_of
from shortlist.evaluation.report.pictures import pictures
from shortlist.export.mlflow_model import save_mlflow_model
from shortlist.pipeline.stages import trained_stages
from shortlist.pipeline.watch import Watched
from shortlist.tracking.figures import curve_of, of_results

if TYPE_CHECKING:
    from shortlist.tracking.record import Record
    from shortlist.tracking.store import Store

MODEL = "bundle"
"""Name of the bundle among the models of an MLflow run."""


def keep_results(store: Store, record: Record, run: Watched) -> None:
    """Record the evaluation of a run, and its bundle if the recipe says so."""
    metrics = run.metrics()
    record.model, record.bundle = _keep_bundle(store, record, run) if run.recipe.tracking.bundle else (None, None)
    store.measure(record.run_id, of_results(metrics), model_id=record.model)
    for name in ("metrics.json", "report.html"):
        store.keep_file(record.run_id, run.folder / name)
    curves = {stage: curve_of(run.folder, stage) for stage in trained_stages(run.recipe)}
    for name, picture in pictures(metrics, curves).items():
        store.keep_text(record.run_id, picture, f"charts/{name}.svg")


def _keep_bundle(store: Store, record: Record, run: Watched) -> tuple[str, str]:
    """Keep the bundle as an MLflow model; the model's id, and which bundle it is."""
    model_id = store.new_model(record.experiment_id, record.run_id, MODEL)
    # Beside the bundle, which may be large; after a kill the next walk removes what bears such a name.
    draft = run.folder / f".{MODEL}.{uuid.uuid4().hex[:8]}.partial"
    try:
        save_mlflow_model(run.folder / "bundle", draft, model_id=model_id, run_id=record.run_id)
        store.finish_model(model_id, record.run_id, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return model_id, version_of(check_manifest(run.folder / "bundle", hashes=False))
