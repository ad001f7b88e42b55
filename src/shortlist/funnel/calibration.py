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
    """Straight lines between knots, level beyond the first and the last of them.

    Zadrozny, Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD 2002.
    """

    logits: tuple[float, ...]
    """logits_G, rising."""
    probabilities: tuple[float, ...]
    """probabilities_G, rising, between 0 and 1 and neither of them."""

    def __call__(self, logit: Floats) -> Floats:
        """Probabilities of logits of any shape."""
        return np.interp(logit, self.logits, self.probabilities).astype(logit.dtype)


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
