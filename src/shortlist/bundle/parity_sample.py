"""A few answers that a bundle gave when it was made: wherever it is loaded later, it must give them again.

Hashes say that the files are the ones that were written; this says that this machine, with its versions of ONNX Runtime
and numpy, makes of them what was measured.

Legend: U users, K list positions.
"""

from __future__ import annotations

import datetime

import numpy as np

from shortlist.bundle.recommender import Recommender
from shortlist.bundle.sample import SAMPLE, sample_row, typical_users
from shortlist.core.errors import BundleError
from shortlist.core.files import read_json
from shortlist.features.rows import Floats

_USERS = 8
_ITEMS = 10
_MOMENT = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).isoformat()
"""When the sample asks: features of the time must not change with the clock."""
_TOLERANCE = 1e-3
"""Largest allowed difference of a score, relative to max(1, |score|): other kernels of the same arithmetic differ by
less, another model by far more."""


def take_sample(recommender: Recommender) -> dict[str, object]:
    """The sample's content as JSON values."""
    return {"scores": _scores(recommender).tolist()}


def check_sample(recommender: Recommender) -> None:
    """BundleError if the bundle answers its sample otherwise than when it was made; nothing if it has none."""
    path = recommender.bundle.path / SAMPLE
    if not path.is_file():
        return
    expected, found = np.array(read_json(path)["scores"], np.float32), _scores(recommender)
    if expected.shape != found.shape:
        raise BundleError(f"{path.parent}: expected answers of shape {expected.shape}, found {found.shape}. {_ADVICE}")
    difference = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    if not (largest := float(difference.max(initial=0.0))) <= _TOLERANCE:
        raise BundleError(
            f"{path.parent} answers its own sample otherwise than when it was made: expected scores to differ by at "
            f"most {_TOLERANCE:g}, found {largest:g}. {_ADVICE}"
        )


_ADVICE = "Compare the versions of shortlist, onnxruntime and numpy with those of the machine that made it"


def _scores(recommender: Recommender) -> Floats:
    """Scores of the models alone, score_UK or those of one row: rules may change without the models."""
    bundle, ranker = recommender.bundle, recommender.ranker
    if not bundle.schema.has_items:
        return recommender.output_rows({name: [value] for name, value in sample_row(bundle).items()})
    users = [*typical_users(bundle, _USERS), None]
    clock = bundle.recipe.schema_.timestamp
    context = None if clock is None else {clock: [_MOMENT] * len(users)}
    # What users did since then is not the bundle's: a recommender of its own, without the state, encodes the requests.
    requests = Recommender(bundle).requests(users, context=context)
    wide = min(bundle.settings.candidates, len(bundle.items) - 1)
    found = (recommender.retrieval or recommender.popularity)(requests, wide)
    score_UK = (found if ranker is None else ranker(requests, found)).top(_ITEMS).score_UK
    # What is no item has no score; JSON has no word for it.
    return np.where(np.isfinite(score_UK), score_UK, np.float32(0))
