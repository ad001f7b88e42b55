"""[ranking]: the order of the candidates."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from shortlist.core.errors import Problem
from shortlist.core.settings import Contradictions, Settings
from shortlist.recipe.targets import is_weight
from shortlist.recipe.training import Model, Optimiser, Training


class Negatives(Settings):
    """What the ranker learns to put below the relevant items."""

    sampled: int = Field(4, ge=0)
    """Sampled negatives for each positive; 0 for a log with real negatives, such as impressions without a click."""
    source: Literal["uniform", "popularity", "candidates"] = "candidates"
    """candidates: from the user's own retrieved candidates, what the ranker will meet in the funnel. Without retrieval,
    `popularity` takes its place."""
    observed: bool | None = None
    """Also learn from observed rows whose first target is 0; where none are sampled they always count. Default: where
    there are several targets, for rows whose first target is not 0 may tell nothing of the others."""
    keep: float = Field(1.0, gt=0, le=1)
    """Share of the observed rows whose first target is 0 that an epoch learns from, drawn anew for each; probabilities
    are corrected for it, which focal loss does not permit. `batch_size` counts the rows before it."""

    def with_observed(self, targets: Sized) -> bool:
        """Whether a ranker of these targets learns from, and is measured on, rows whose first target is 0 too."""
        if self.sampled == 0:
            return True
        return len(targets) > 1 if self.observed is None else self.observed


AFTER_TRAINING = frozenset({"calibration", "score"})
"""Settings of [ranking] that say how the trained model's outputs are read: with others it is not trained anew."""
LIST_LOSSES = ("bpr", "softmax")
"""Losses that compare a relevant row with the negatives sampled for it, and learn from no other row."""


class Ranking(Training):
    """The second stage: the order of the candidates."""

    model: Model = Model(name="wide_deep")
    """Which model, and its settings."""
    negatives: Negatives = Negatives()
    """Where negative examples come from."""
    loss: Literal["log_loss", "focal", "bpr", "softmax"] = "log_loss"
    """Of binary targets. log_loss: for probabilities. focal: looks most at rows that are still predicted badly. bpr,
    softmax: put each positive above the negatives sampled for it, and give no probabilities; later targets are compared
    within the same lists, so that rows whose first target is 0 teach them nothing."""
    focal_gamma: float = Field(2.0, ge=0)
    """For focal: how little rows count that are predicted well; 0 is log_loss."""
    loss_weights: dict[str, float] | Literal["uncertainty"] = {}
    """Weight of the loss of each target by name, 1 of those not named: `{click = 1, purchase = 5}`. uncertainty: the
    worse a target is predicted, the less it weighs, so that none drowns the others."""
    embedding: Optimiser = Optimiser(name="rowwise_adagrad", lr=0.02)
    """For embedding tables."""
    wide: Optimiser = Optimiser(name="ftrl", lr=0.05)
    """For the linear part."""
    calibration: Literal["none", "platt", "isotonic"] = "none"
    """How logits of binary targets become probabilities, fitted on validation rows. none: by their sigmoid. platt: by
    that of a straight line. isotonic: by any rising function, which takes some thousands of rows."""
    score: str | None = None
    """How a candidate is scored from the targets' predictions, such as `0.2 * click + purchase`: of a binary target its
    calibrated probability, of a regression its value. Default: by the first target's logit."""

    @field_validator("loss_weights", mode="before")
    @classmethod
    def _are_weights(cls, value: Any) -> Any:
        if value == "uncertainty" or (isinstance(value, dict) and all(map(is_weight, value.values()))):
            return value
        raise ValueError(
            'expected a number of 0 or more for targets by name, such as {click = 1, purchase = 5}, or "uncertainty", '
            f"found {value!r}"
        )

    @model_validator(mode="after")
    def _has_its_negatives(self) -> Ranking:
        drawn, keep = self.negatives.sampled, self.negatives.keep
        problems = []
        if self.loss in LIST_LOSSES and drawn == 0:
            what = f"{self.loss} compares a positive with the negatives sampled for it, and none are"
            problems.append(Problem("loss", f'{what}: set ranking.negatives.sampled = 4, or loss = "log_loss"'))
        if keep < 1 and drawn > 0:
            what = f"{keep:g} thins out a log's own negatives, and {drawn} are sampled for each positive besides"
            problems.append(Problem("negatives.keep", f"{what}: set ranking.negatives.sampled = 0, or leave keep out"))
        if keep < 1 and self.loss == "focal":
            what = f"{keep:g} moves probabilities, which log_loss can make good and focal cannot"
            problems.append(Problem("negatives.keep", f'{what}: set ranking.loss = "log_loss", or leave keep out'))
        if problems:
            raise Contradictions(*problems)
        return self
