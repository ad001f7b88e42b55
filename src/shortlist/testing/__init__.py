"""Contract suites and toy data for people who add a model.

A model is one file; one more line tests it. Subclass the suite of its stage in a test module and name the model, and
pytest runs everything that the rest of Shortlist relies on: settings that survive JSON, checkpoints, unknown ids, empty
histories, learning, the same bits from the same seed, ONNX with equal answers.

    from shortlist.testing import RankingContract

    class TestMyModel(RankingContract):
        name = "my_model"
        settings = {"hidden": [16]}      # optional: a smaller model tests faster

A model that lives outside Shortlist's catalogue joins it first: `RANKING.add("my_model", MyModel)`, from
`shortlist.models.catalogue`.

`Checkerboard` is a log with one provably right answer for every user: a whole funnel can be tested with it.
pytest is imported with a suite, and not before.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shortlist.testing.checkerboard import Checkerboard
    from shortlist.testing.contract_matrix import MatrixContract
    from shortlist.testing.contract_ranking import RankingContract
    from shortlist.testing.contract_retrieval import RetrievalContract
    from shortlist.testing.contract_sequence import SequenceContract

__all__ = ["Checkerboard", "MatrixContract", "RankingContract", "RetrievalContract", "SequenceContract"]

_SUITES = {
    "MatrixContract": "contract_matrix",
    "RankingContract": "contract_ranking",
    "RetrievalContract": "contract_retrieval",
    "SequenceContract": "contract_sequence",
}


def __getattr__(name: str) -> Any:
    if name == "Checkerboard":
        return import_module("shortlist.testing.checkerboard").Checkerboard
    if name not in _SUITES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    # Without it a failing assertion of a suite would not show its values: pytest rewrites only test modules.
    for module in ("contract", *_SUITES.values()):
        if f"{__name__}.{module}" not in sys.modules:
            pytest.register_assert_rewrite(f"{__name__}.{module}")
    return getattr(import_module(f"{__name__}.{_SUITES[name]}"), name)
