"""A run whose tables TorchRec parts among processes: killed and gone on with, exported, and what it refuses."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from shortlist.core.errors import EnvironmentFault, UserError
from shortlist.core.progress import Silent
from shortlist.models.catalogue import check_models
from shortlist.pipeline import run_stages
from shortlist.recipe import parse_recipe
from shortlist.recipe.sections import Recipe
from tests.pipeline.test_processes import ALONE, Heard, curve, funnel, killed, shop

__all__ = ["shop"]
needs_torchrec = pytest.mark.skipif(find_spec("torchrec") is None, reason="TorchRec is not here: see docs/scale.md")
SHARDED = ALONE.replace("clip_norm = 0.5\n", "")
RANKER = """
[ranking]
epochs = 2
batch_size = 128
history = 10
model = {name = "deepfm", hidden = [16]}
"""


def recipe(
    data: Path, processes: int, compute: str = "", *, more: str = "", ranking: str = "", embeddings: str = "torchrec"
) -> Recipe:
    """`more` are settings of retrieval."""
    compute = f'threads = 1\ndevice = "cpu"\nprocesses = {processes}\nembeddings = "{embeddings}"\n{compute}'
    return parse_recipe(f"{SHARDED}{more}\n{ranking}\n[compute]\n{compute}", "shop.toml", (), data, check_models)


@pytest.fixture(scope="module")
def whole(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    run_stages(recipe(shop, 2), folder, Silent(), "train")
    return folder


@needs_torchrec
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("processes", "sharding", "off", "seed"),
    [(2, "row_wise", 1e-6, 1), (1, "row_wise", 2e-3, 2), (3, "table_wise", 2e-3, 3)],
)
def test_killed_and_gone_on_with(
    shop: Path, whole: Path, processes: int, sharding: str, off: float, *, seed: int, tmp_path: Path
) -> None:
    """By as many processes, by one, and by more that part the tables otherwise.

    Adagrad makes steps of gradients that are 0 but for rounding, which another number of processes rounds otherwise: in
    memory, the losses of one process, two and three differ by 8e-4 here.
    """
    killed(recipe(shop, 2, "checkpoint_seconds = 0.0"), tmp_path, seed)
    heard = Heard()
    run_stages(recipe(shop, processes, f'sharding = "{sharding}"'), tmp_path, heard, "train")

    assert any(line.startswith("retrieval: going on from epoch") for line in heard.lines)
    np.testing.assert_allclose(curve(tmp_path), curve(whole), rtol=off)
    assert sorted(path.name for path in (tmp_path / "retrieval" / "tables").iterdir()) == ["0"]


@needs_torchrec
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_parts_of_vectors_are_of_so_many_processes(shop: Path, tmp_path: Path) -> None:
    """Each part has a rate of its own: what two processes began is no beginning for one."""
    by_columns = 'sharding = "column_wise"'
    killed(recipe(shop, 2, f"checkpoint_seconds = 0.0\n{by_columns}"), tmp_path / "cut", seed=4)
    heard = Heard()
    run_stages(recipe(shop, 1, by_columns), tmp_path / "cut", heard, "train")
    run_stages(recipe(shop, 1, by_columns), tmp_path / "alone", Silent(), "train")

    assert "retrieval: begun before with other settings or data: its checkpoints were removed" in heard.lines
    np.testing.assert_array_equal(curve(tmp_path / "cut"), curve(tmp_path / "alone"))


@needs_torchrec
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_served_is_that_of_tables_in_memory(shop: Path, tmp_path: Path) -> None:
    """A retrieval model and a ranker, through export and its comparison, to the metrics of the bundle."""
    for embeddings in ("torchrec", "memory"):
        run_stages(recipe(shop, 2, ranking=RANKER, embeddings=embeddings), tmp_path / embeddings, Silent(), "evaluate")

    assert funnel(tmp_path / "torchrec") == pytest.approx(funnel(tmp_path / "memory"), rel=1e-4)
    for stage in ("retrieval", "ranking"):
        trained = sorted((tmp_path / "torchrec" / stage / "tables").glob("*/weight.f32"))
        bundled = sorted((tmp_path / "torchrec" / "bundle" / stage).glob("table-*.f32"))
        assert len(trained) >= 1
        assert [path.read_bytes() for path in bundled] == [path.read_bytes() for path in trained]


@needs_torchrec
@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "compute", "said"),
    [
        ('embedding = {name = "adamw"}', "", "expected rowwise_adagrad .* found adamw"),
        ("clip_norm = 0.5", "", r"expected no retrieval\.clip_norm, found 0\.5"),
        ("", 'precision = "fp16"', 'precision = "bf16" or "fp32"'),
        ("", 'sharding = "column_wise"', "multiple of 12, found a table of 16"),
    ],
)
def test_what_cannot_be_is_said(shop: Path, more: str, compute: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        run_stages(recipe(shop, 3, compute, more=more), tmp_path, Silent(), "train")


@needs_torchrec
@pytest.mark.slow
def test_a_model_without_tables_of_embeddings_is_refused(shop: Path, tmp_path: Path) -> None:
    text = SHARDED.partition("[retrieval]")[0] + RANKER.replace('"deepfm", hidden = [16]', '"logistic_regression"')
    compute = '[compute]\nthreads = 1\ndevice = "cpu"\nembeddings = "torchrec"\n'
    alone = parse_recipe(f"{text}\n{compute}", "shop.toml", (), shop, check_models)

    with pytest.raises(UserError, match="logistic_regression has none of these columns"):
        run_stages(alone, tmp_path, Silent(), "train")


@pytest.mark.skipif(find_spec("torchrec") is not None, reason="TorchRec is here")
@pytest.mark.slow
def test_without_torchrec(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"\"torchrec\" needs the package 'torchrec', which is not installed"):
        run_stages(recipe(shop, 1), tmp_path, Silent(), "train")
