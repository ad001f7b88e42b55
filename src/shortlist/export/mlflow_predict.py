"""The code by which MLflow answers from a bundle: copied into the model, and executed where that is loaded.

It imports what a serving host has, and nothing of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mlflow.models
import pandas as pd
from mlflow.pyfunc import PythonModel, PythonModelContext

from shortlist.bundle.recommender import Recommender
from shortlist.schema import Side

HISTORY = "history"
"""Column with a list of items that were met since the bundle was made."""
USERS_A_BATCH = 1024


class BundleModel(PythonModel):
    """Lists of items where the bundle has items, else what is predicted of each row."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle; BundleError where it is incomplete or altered."""
        threads = int((context.model_config or {}).get("threads", 1))
        self.recommender = Recommender.load(context.artifacts["bundle"], threads)

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """One row of answers for each row that is asked."""
        if not self.recommender.bundle.schema.has_items:
            return self._predicted(model_input)
        asked = params or {}
        k, exclude_seen = int(asked.get("k", 10)), asked.get("exclude_seen")
        starts = range(0, len(model_input), USERS_A_BATCH)
        lists = [
            pair
            for start in starts
            for pair in self._lists(model_input.iloc[start : start + USERS_A_BATCH], k, exclude_seen)
        ]
        return pd.DataFrame(lists, columns=["items", "scores"], index=model_input.index)

    def _predicted(self, rows: pd.DataFrame) -> pd.DataFrame:
        found = self.recommender.predict_rows({name: _values(rows[name]) for name in rows.columns})
        return pd.DataFrame({name: list(values.astype(float)) for name, values in found.items()}, index=rows.index)

    def _lists(
        self, rows: pd.DataFrame, k: int, exclude_seen: bool | None
    ) -> list[tuple[Sequence[Any], Sequence[float]]]:
        """Items and scores for each row."""
        bundle = self.recommender.bundle
        columns = {name: _values(rows[name]) for name in rows.columns}
        user = bundle.recipe.schema_.user_column
        clock = bundle.recipe.schema_.timestamp
        known = {*bundle.encoders[Side.CONTEXT].sources, *([clock] if clock else [])}
        answers = self.recommender.recommend(
            columns.get(user or "", [None] * len(rows)),
            k,
            exclude_seen,
            history=_lists_of(columns),
            context={name: values for name, values in columns.items() if name in known},
        )
        return [([item.item_id for item in items], [item.score for item in items]) for items in answers]


def _lists_of(columns: Mapping[str, Sequence[Any]]) -> list[Sequence[Any]] | None:
    """Each row's history; empty where it has none, and text as it is, which is refused."""
    if HISTORY not in columns:
        return None
    return [
        history if isinstance(history, str) else [item for item in history or () if item is not None]
        for history in columns[HISTORY]
    ]


def _values(column: pd.Series) -> list[Any]:
    """The values of a column as Python's own, None where missing."""
    values = column.astype(object).where(column.notna(), None).tolist()
    return [value.tolist() if hasattr(value, "tolist") else value for value in values]


mlflow.models.set_model(BundleModel())
