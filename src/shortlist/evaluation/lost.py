"""Where truth was lost on its way through the funnel.

Legend: U users, P pairs of a user and a held-out item, K candidates, I item rows, S fates.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from shortlist.evaluation.lists import SHOWN
from shortlist.evaluation.places import places
from shortlist.features.rows import Ints, RaggedBag


class Fate(IntEnum):
    """What became of a held-out item: shown, or the first stage that lost it."""

    FOUND = 0
    """Among the first SHOWN of the answer."""
    NOT_IN_CATALOGUE = 1
    """Nothing in this bundle can answer it."""
    NOT_AMONG_CANDIDATES = 2
    """Not among the candidates even in an exact search."""
    INDEX = 3
    """An exact search finds it among the candidates; the bundle's index did not."""
    RANKED_BELOW = 4
    """Among the candidates, but ranked below the first SHOWN."""


def fates(
    truth: RaggedBag, answer_UK: Ints, exact_UK: Ints | None, catalogue_I: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int8]:
    """fate_P of each held-out item.

    Args:
        truth: held-out item rows of each user.
        answer_UK: all candidates of the funnel in their final order, 0 where there is none.
        exact_UK: as many candidates of an exact search; None without a retrieval model, where no index loses
            anything.
        catalogue_I: whether the item row can be answered at all.
    """
    place_P = places(truth, answer_UK)
    fate_P = np.full(len(place_P), Fate.NOT_AMONG_CANDIDATES, np.int8)
    if exact_UK is not None:
        fate_P[places(truth, exact_UK) < exact_UK.shape[1]] = Fate.INDEX
    fate_P[~catalogue_I[truth.flat()[1]]] = Fate.NOT_IN_CATALOGUE
    fate_P[place_P < answer_UK.shape[1]] = Fate.RANKED_BELOW
    fate_P[place_P < min(SHOWN, answer_UK.shape[1])] = Fate.FOUND
    return fate_P


def shares(truth: RaggedBag, fate_P: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    """share_US: which share of each user's held-out items met each fate; rows sum to 1.

    Users count alike, as they do in recall: the mean share of FOUND is the funnel's recall@SHOWN.
    """
    key_P = truth.flat()[0] * len(Fate) + fate_P
    count_US = np.bincount(key_P, minlength=len(truth) * len(Fate)).reshape(len(truth), len(Fate))
    share_US: npt.NDArray[np.float64] = count_US / truth.counts()[:, None]
    return share_US


def named(mean_S: npt.NDArray[np.float64]) -> dict[str, float]:
    """The losses under their names in metrics.json; with the share that was found they sum to 1."""
    return {
        "not_in_catalogue": float(mean_S[Fate.NOT_IN_CATALOGUE]),
        "not_among_candidates": float(mean_S[Fate.NOT_AMONG_CANDIDATES]),
        "index": float(mean_S[Fate.INDEX]),
        f"ranked_below_{SHOWN}": float(mean_S[Fate.RANKED_BELOW]),
    }
