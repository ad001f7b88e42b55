"""Export of models whose tables are files: the same answers, and no more memory for a larger table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from shortlist.export.onnx import export_onnx
from shortlist.features.rows import FeatureRows
from shortlist.funnel.session import Session
from shortlist.models.retrieval.two_tower import TwoTower
from shortlist.nn.batch import Batch
from shortlist.nn.mapped import tables_mapped_in
from shortlist.testing.inputs import candidate_inputs, query_inputs, random_rows

CONFIG = TwoTower.Config(dim=3, embedding_dim=4)


@pytest.fixture(scope="module")
def rows() -> dict[str, FeatureRows]:
    return {"query": random_rows(query_inputs(), 6), "candidate": random_rows(candidate_inputs(), 6)}


@pytest.fixture(scope="module")
def model(rows: dict[str, FeatureRows], tmp_path_factory: pytest.TempPathFactory) -> TwoTower:
    """A model that has met the rows of a query, and not all of those of a candidate."""
    with tables_mapped_in(tmp_path_factory.mktemp("tables")):
        model = TwoTower(CONFIG, query_inputs(), candidate_inputs())
    model.train().query(Batch.of(rows["query"]))
    return model.eval()


@pytest.fixture(scope="module")
def folder(model: TwoTower, rows: dict[str, FeatureRows], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    for name, sample in rows.items():
        export_onnx(model, getattr(model, name), sample, folder / f"{name}.onnx")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["query", "candidate"])
def test_the_exported_model_answers_as_the_trained_one(
    name: str, model: TwoTower, rows: dict[str, FeatureRows], folder: Path
) -> None:
    with torch.inference_mode():
        expected = getattr(model, name)(Batch.of(rows[name])).numpy()

    assert np.abs(expected).max() > 0.1
    assert Session(folder / f"{name}.onnx")(rows[name]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_two_towers_share_one_table_in_a_file_of_its_own(model: TwoTower, folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["candidate.onnx", "query.onnx", "table-0.f32"]
    (weight,) = (value for name, value in model.named_parameters() if name.endswith("table.weight"))
    assert (folder / "table-0.f32").read_bytes() == weight.detach().numpy().tobytes()


@pytest.mark.slow
def test_onnx_itself_takes_it(folder: Path) -> None:
    onnx.checker.check_model(folder / "query.onnx")


LARGE = """
import json, sys
from dataclasses import replace
from pathlib import Path
import numpy as np, torch
from shortlist.export.ranker import export_ranker
from shortlist.funnel.rank_model import RankModel
from shortlist.models.ranking.deepfm import DeepFM
from shortlist.nn.batch import Batch
from shortlist.nn.mapped import tables_mapped_in
from shortlist.schema import Column, Kind, Side
from shortlist.testing.inputs import random_pairs, ranking_inputs

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

torch.set_num_threads(1)
folder, size = Path(sys.argv[1]), int(sys.argv[2])
inputs = ranking_inputs()
huge = Column(name="context.huge", side=Side.CONTEXT, kind=Kind.FIELD, size=size, offset=1000)
inputs = replace(inputs, fields=(huge, *inputs.fields))
pairs = random_pairs(inputs, [5] * 10)
rows = pairs.rows()
with tables_mapped_in(folder / "tables"):
    model = DeepFM(DeepFM.Config(embedding_dim=63, hidden=(8,)), inputs)
model.train()(Batch.of(rows))

model.eval()
with torch.inference_mode():
    expected = model(Batch.of(rows)).numpy()
(folder / "onnx").mkdir()
export_ranker(model, pairs, folder / "onnx")
found = RankModel(folder / "onnx")(pairs)
print(json.dumps({"anonymous": anonymous(), "difference": float(np.abs(found - expected).max())}))
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """256 bytes a row: a table of 4 GiB against one of 256 KiB; only holes, so they take no space on the disk."""
    found = {}
    for size in (2**10, 2**24):
        place = tmp_path / str(size)
        call = [sys.executable, "-c", LARGE, str(place), str(size)]
        found[size] = json.loads(subprocess.run(call, check=True, capture_output=True, text=True, timeout=110).stdout)
    table = tmp_path / str(2**24) / "onnx" / "table-0.f32"

    assert table.stat().st_size > 2**32
    assert table.stat().st_blocks * 512 < 2**21
    assert all(each["difference"] < 1e-5 for each in found.values())
    assert found[2**24]["anonymous"] < found[2**10]["anonymous"] + 64
