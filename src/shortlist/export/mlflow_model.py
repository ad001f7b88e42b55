"""A bundle as an MLflow model (pyfunc): the bundle unchanged, this package's code, and what it needs to run.

Nothing is pickled: MLflow executes `mlflow_predict.py`, which opens the bundle. No registry needs to have Shortlist,
for its code goes along, and the requirements are those of a serving host.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa

from shortlist.bundle.manifest import NAME
from shortlist.bundle.read import Bundle
from shortlist.bundle.sample import sample_row, sample_values, typical_users
from shortlist.core.extras import need
from shortlist.core.files import sha256
from shortlist.core.quiet import quiet_mlflow
from shortlist.schema import Side, TargetKind
from shortlist.schema.columns import ROW_SIDES

K = 10
"""Items in a list where a request does not say it."""
_ASKS = ("mlflow-skinny", "pandas")
"""What asks the model: MLflow's model server is in its small distribution, and the pages of runs are not needed."""
_PACKAGE = Path(__file__).resolve().parent.parent
_CODE = Path(__file__).with_name("mlflow_predict.py")


def save_mlflow_model(bundle: str | Path, folder: str | Path, **identity: Any) -> None:
    """Save the bundle at `bundle` as an MLflow model in `folder`, which must not be there or be empty.

    `identity`: what MLflow calls the model, as `mlflow.models.Model` takes it: model_id, run_id. Where the bundle has
    items the model takes a row for each user and answers `items` and `scores`; otherwise it takes rows of the log and
    answers what is predicted of each target. BundleError where the bundle is incomplete or altered.
    """
    opened = Bundle.open(bundle)
    with quiet_mlflow():
        need("mlflow", "mlflow", "an MLflow model")
        from mlflow import pyfunc
        from mlflow.models import Model

        pyfunc.save_model(
            path=str(folder),
            python_model=str(_CODE),
            artifacts={"bundle": str(Path(bundle).resolve())},
            code_paths=[str(_PACKAGE)],
            pip_requirements=requirements(),
            signature=signature(opened),
            input_example=input_example(opened),
            metadata=facts(opened),
            model_config={"threads": 1},
            mlflow_model=Model(**identity),
        )
    for compiled in [*Path(folder).rglob("__pycache__")]:
        shutil.rmtree(compiled)


def requirements() -> list[str]:
    """What a serving host needs, in the versions that are here: the base dependencies, none of an extra."""
    required = importlib.metadata.requires("shortlist") or []
    names = [re.split(r"[^\w.-]", text)[0] for text in required if "extra ==" not in text]
    return [f"{name}=={importlib.metadata.version(name)}" for name in (*_ASKS, *names)]


def facts(bundle: Bundle) -> dict[str, Any]:
    """What stands in the model's metadata: which bundle it is. Its manifest has the hash of every other file."""
    manifest = bundle.manifest
    return {
        "shortlist": manifest["shortlist"],
        "bundle": manifest["name"],
        "bundle_created": manifest["created"],
        "bundle_sha256": sha256(bundle.path / NAME),
    }


def signature(bundle: Bundle) -> Any:
    """Columns in, columns out, and the parameters, as `mlflow.models.ModelSignature`."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType, Array

    def optional(name: str) -> ColSpec:
        # No type is asked: a feature reads numbers and text of any form, and Spark fills up with NaN what is left out.
        return ColSpec(AnyType(), name, required=False)

    if not bundle.schema.has_items:
        outputs: list[Any] = [
            ColSpec(Array(DataType.double) if target.kind == TargetKind.MULTICLASS else DataType.double, target.name)
            for target in bundle.schema.targets
        ]
        return ModelSignature(Schema([optional(name) for name in _row_columns(bundle)]), Schema(outputs))
    item = _type(bundle.item_keys.type)
    roles = bundle.recipe.schema_
    # Nothing is learned of a session's id, so that a request may do without.
    known = roles.user_id is not None
    inputs: list[Any] = [ColSpec(_type(bundle.user_keys.type), roles.user_column, known)] if roles.user_column else []
    inputs += [optional(name) for name in ("history", *_context_columns(bundle))]
    return ModelSignature(
        Schema(inputs),
        Schema([ColSpec(Array(item), "items"), ColSpec(Array(DataType.double), "scores")]),
        ParamSchema(
            [
                ParamSpec("k", DataType.long, K),
                ParamSpec("exclude_seen", DataType.boolean, bundle.settings.exclude_seen),
            ]
        ),
    )


def input_example(bundle: Bundle) -> Any:
    """A data frame that the model answers."""
    import pandas as pd

    if not bundle.schema.has_items:
        return pd.DataFrame([sample_row(bundle)])
    user = bundle.recipe.schema_.user_column
    users = typical_users(bundle, 2)
    rows = max(len(users), 1)
    context = {name: [value] * rows for name, value in sample_values(bundle, Side.CONTEXT).items()}
    asked: dict[Any, list[Any]] = {user: users} if users else {"history": [[]]}
    return pd.DataFrame({**asked, **context})


def _type(kind: pa.DataType) -> Any:
    from mlflow.types import DataType

    return DataType.long if pa.types.is_integer(kind) else DataType.string


def _context_columns(bundle: Bundle) -> list[str]:
    clock = bundle.recipe.schema_.timestamp
    return list(dict.fromkeys([*bundle.encoders[Side.CONTEXT].sources, *([clock] if clock else [])]))


def _row_columns(bundle: Bundle) -> list[str]:
    roles = bundle.recipe.schema_
    ids = [name for name in (roles.user_column, roles.item_id, roles.timestamp) if name is not None]
    return list(dict.fromkeys([*ids, *(name for side in ROW_SIDES for name in bundle.encoders[side].sources)]))
