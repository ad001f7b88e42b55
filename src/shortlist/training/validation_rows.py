"""Trained rankers on one and the same validation rows, sampled negatives among them, to compare row by row.

Legend: N rows, T targets of the model.
"""

from __future__ import annotations

from pathlib import Path

import torch

from shortlist.data.prepared import Prepared
from shortlist.features.rows import Floats, Ints
from shortlist.recipe.sections import Recipe
from shortlist.schema import Target
from shortlist.training.device import choose_device, set_threads
from shortlist.training.ranking import RankingTask
from shortlist.training.stages import load_ranking


class ValidationRows:
    """The rows by which rankers of this recipe are validated."""

    def __init__(self, prepared: Prepared, recipe: Recipe, candidates_UK: Ints | None) -> None:
        """`candidates_UK`: what the rankers' negatives were drawn from, where they are candidates."""
        assert recipe.ranking is not None
        set_threads(recipe.compute)
        self.prepared = prepared
        self.recipe = recipe
        self.settings = recipe.ranking
        self.device = choose_device(recipe.compute)
        self.candidates_UK = candidates_UK

    def predicted(self, folder: Path, only: Target | None = None) -> tuple[Floats, Floats, Floats]:
        """predicted_NT, targets_NT and weight_N by the ranker in `folder`, which learned all targets or `only` one."""
        model = load_ranking(self.prepared, self.recipe, folder, only)
        task = RankingTask(model, self.prepared, self.recipe, self.settings, self.device, self.candidates_UK)
        with torch.inference_mode():
            return task.predictions()
