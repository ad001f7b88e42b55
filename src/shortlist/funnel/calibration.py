"""From a ranker's logit to a probability: its sigmoid, or a function fitted on validation rows.

Plain numbers that lie in the bundle; `evaluation.calibrate` fits them.

Legend: N logits, G knots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

SLOPE_BEYOND = 0.01
"""By how much log odds rise with a logit beyond the knots of an isotonic calibration: enough for float32 to tell."""

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Platt:
    """sigmoid(slope * logit + offset).

    Platt, Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized Likelihood Methods,
    Advances in Large Margin Classifiers, 1999.
    """

    slope: float = 1.0
    offset: float = 0.0

    def __call__(self, logit: Floats) -> Floats:
        """Probabilities of logits of any shape."""
        # Not 1 / (1 + exp(-x)), which overflows below -88.
        probability: Floats = np.exp(-np.logaddexp(0, -(self.slope * logit + self.offset)))
        return probability


@dataclass(frozen=True, slots=True, kw_only=True)
class Isotonic:
    """Straight lines between knots; beyond the first and the last of them log odds that rise by SLOPE_BEYOND.

    So it rises everywhere, and logits beyond the knots keep their order. It rises hardly at all: an end knot stands for
    all rows of the last step, half of which lie beyond it, and its rate is the best that is known of them.

    Zadrozny, Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002.
    """

    logits: tuple[float, ...]
    """logits_G, rising."""
    probabilities: tuple[float, ...]
    """probabilities_G, rising, between 0 and 1 and neither of them."""

    def __call__(self, logit: Floats) -> Floats:
        """Probabilities of logits of any shape."""
        x = np.asarray(logit, np.float64)
        inside = np.clip(x, self.logits[0], self.logits[-1])
        probability = np.interp(inside, self.logits, self.probabilities)
        beyond = UNCALIBRATED(np.log(probability) - np.log1p(-probability) + SLOPE_BEYOND * (x - inside))
        # What float32 cannot tell from 0 and 1 is neither.
        ends = np.finfo(logit.dtype)
        return np.where(x == inside, probability, beyond).astype(logit.dtype).clip(ends.tiny, 1 - ends.epsneg)


Calibration = Platt | Isotonic
UNCALIBRATED = Platt()
"""The sigmoid itself, by which the ranker has learned."""

_KINDS: Mapping[str, type[Platt] | type[Isotonic]] = {"platt": Platt, "isotonic": Isotonic}


def calibration_to_json(calibration: Calibration) -> dict[str, Any]:
    """As JSON values, its `kind` among them."""
    kind = next(name for name, cls in _KINDS.items() if isinstance(calibration, cls))
    return {"kind": kind, **asdict(calibration)}


def calibration_from_json(values: Mapping[str, Any]) -> Calibration:
    """From what `calibration_to_json` gave."""
    parts: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    return _KINDS[parts.pop("kind")](**parts)
