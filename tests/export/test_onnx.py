"""Export: inputs by the names of the feeds, and a model that sees no input of a kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from shortlist.core.errors import ParityError
from shortlist.export.onnx import export_onnx
from shortlist.export.parity import check_parity
from shortlist.features.rows import FeatureRows
from shortlist.funnel import session
from shortlist.funnel.session import Session
from shortlist.nn.batch import Batch
from shortlist.testing.inputs import random_rows, ranking_inputs

INPUTS = replace(ranking_inputs(), history=None)


class Sums(nn.Module):
    """Something of every input, so that none of them is left out of the file."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, batch: Batch) -> Tensor:
        bag = batch.bags["item.genres"]
        sums = batch.ids_BF.float().sum(1) + batch.numbers_BN.sum(1) + (bag.values_BH * bag.mask_BH()).float().sum(1)
        return (self.scale * sums)[:, None]


@pytest.fixture(scope="module")
def rows() -> FeatureRows:
    return random_rows(INPUTS, 6)


@pytest.fixture(scope="module")
def exported(rows: FeatureRows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    model = Sums()
    export_onnx(model, model, rows, path)
    return path


def test_inputs_are_called_as_the_feeds_are(exported: Path, rows: FeatureRows) -> None:
    inputs = {value.name for value in onnxruntime.InferenceSession(exported).get_inputs()}

    assert inputs == {"ids", "numbers", "bag.item.genres.values", "bag.item.genres.length"}
    assert inputs == set(rows.feeds())


def test_many_rows_are_scored_in_chunks(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CHUNK", 4)
    model, rows = Sums(), random_rows(INPUTS, 5, hotness=2).repeat(2)
    with torch.inference_mode():
        expected = model(Batch.of(rows)).numpy()

    assert Session(exported)(rows) == pytest.approx(expected, rel=1e-6)


def test_no_rows_are_no_answers(exported: Path, rows: FeatureRows) -> None:
    nobody = rows.take(np.zeros(0, np.int64)).with_own_histories()

    assert Session(exported)(nobody).shape == (0, 1)


def test_a_model_changed_after_its_export_is_refused(exported: Path, rows: FeatureRows) -> None:
    model = Sums()
    with torch.inference_mode():
        same = model(Batch.of(rows)).numpy()
        model.scale.mul_(1.001)
        changed = model(Batch.of(rows)).numpy()

    assert check_parity("sums", same, Session(exported)(rows)) < 1e-6
    with pytest.raises(ParityError, match="sums: the exported model disagrees with the trained one"):
        check_parity("sums", changed, Session(exported)(rows))
