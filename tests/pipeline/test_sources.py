"""Several sources of candidates in one run: each a stage of its own, and all of them in the bundle and the metrics."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import RecipeError, RequestError
from shortlist.models.catalogue import RETRIEVAL, is_fitted
from shortlist.recipe.training import Model
from tests.pipeline.test_redo import RANKING, RECIPE, run, write_tables

NEIGHBOURS = """\
[sources.neighbours]
quota = 2
model = {name = "item_knn", neighbours = 5}
"""
TEXT = RECIPE + RANKING + NEIGHBOURS
HEAD = RECIPE.split("[retrieval]")[0]
FITTED = HEAD + '[retrieval]\nmodel = {name = "user_knn", neighbours = 5}\n' + NEIGHBOURS
"""Nothing of it has to be trained or exported."""
SEGMENTED = '[sources.fresh]\nquota = 2\nmodel = {name = "popularity", segment = "kind"}\n'
FITTED_MODELS = [name for name in RETRIEVAL.names() if is_fitted(Model(name=name))]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def done(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "mixed"
    run(tables, folder, text=TEXT)[0].walk()
    return folder


@pytest.fixture
def folder(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "run"))


def test_every_source_is_measured_beside_all_of_them_together(tables: Path, done: Path) -> None:
    found, _ = run(tables, done, text=TEXT)
    stages = found.metrics()["stages"]

    assert list(stages) == ["popularity", "two_tower", "neighbours", "retrieval", "funnel", "ranking"]
    assert found.metrics()["protocol"]["candidates_from"] == "two_tower+neighbours"
    report = (done / "report.html").read_text()
    assert "neighbours" in report
    parity = found.recommender().bundle.manifest["parity"]
    assert set(parity) == {"retrieval/query", "retrieval/candidate", "ranking"}


def test_the_bundle_answers_by_the_mixture_and_by_each_source(done: Path) -> None:
    recommender = Recommender.load(done / "bundle")
    requests = recommender.requests([3], exclude_seen=False)
    mixed = recommender.run(requests, 5, "retrieval")
    first = recommender.run(requests, 5, "two_tower").item_UK[0].tolist()
    second = recommender.run(requests, 5, "neighbours").item_UK[0].tolist()

    # Two of five places are the second source's, for what the first one's three best leave out.
    expected = [*first[:3], *[item for item in second if item not in first[:3]][:2]]
    assert sorted(mixed.item_UK[0].tolist()) == sorted(expected)
    with pytest.raises(RequestError, match=r"no source is called 'neighbour'\. Did you mean `neighbours`"):
        recommender.run(requests, 5, "neighbour")


def test_a_source_is_trained_anew_by_itself(tables: Path, folder: Path) -> None:
    changed, said = run(tables, folder, "sources.neighbours.model.neighbours=6", text=TEXT)
    changed.walk()

    assert said.left == ["prepare", "retrieval"]
    assert "ranking" in said.done


def test_a_quota_changes_whom_the_ranker_meets_and_trains_no_source(tables: Path, folder: Path) -> None:
    changed, said = run(tables, folder, "sources.neighbours.quota=1", text=TEXT)
    changed.walk()

    assert said.left == ["prepare", "retrieval", "sources/neighbours"]
    assert "ranking" in said.done


def test_a_quota_changes_the_bundle_of_a_funnel_without_a_ranker(tables: Path, tmp_path: Path) -> None:
    text = FITTED
    run(tables, tmp_path, text=text)[0].walk()
    changed, said = run(tables, tmp_path, "sources.neighbours.quota=3", text=text)
    changed.walk()

    assert said.left == ["prepare", "retrieval", "sources/neighbours"]
    assert changed.recommender().bundle.recipe.sources["neighbours"].quota == 3


def test_a_short_list_is_the_beginning_of_a_long_one(tables: Path, tmp_path: Path) -> None:
    """The sources share the candidates, whatever is asked for: what is measured is what is served."""
    found, _ = run(tables, tmp_path, "funnel.candidates=12", text=FITTED)
    found.walk("export")
    recommender = found.recommender()
    requests = recommender.requests(list(range(20)), exclude_seen=False)

    long_UK = recommender.run(requests, 12).item_UK
    for k in (1, 3, 8):
        assert (recommender.run(requests, k).item_UK == long_UK[:, :k]).all()


@pytest.mark.parametrize("model", ["item_knn", "two_tower"])
def test_without_validation_a_source_is_trained_and_exported_all_the_same(
    tables: Path, tmp_path: Path, model: str
) -> None:
    text = HEAD + f'[retrieval]\nmodel = "{model}"\n'
    found, _ = run(tables, tmp_path, "split.valid=0", text=text)
    found.walk()

    assert found.metrics()["stages"]["retrieval"]["recall@20"]["value"] > 0


@pytest.mark.parametrize("model", FITTED_MODELS)
def test_every_model_that_is_fitted_answers_from_a_bundle(tables: Path, tmp_path: Path, model: str) -> None:
    if model == "als":
        pytest.importorskip("implicit")
    found, _ = run(tables, tmp_path, text=f'{HEAD}[retrieval]\nmodel = "{model}"\n')
    found.walk()

    assert found.metrics()["stages"]["retrieval"]["recall@20"]["value"] > 0
    recommender = Recommender.load(tmp_path / "bundle")
    known, unknown = recommender.recommend([3, -1], 5, history=[[1, 2], [1, 2]])
    for answer in (known, unknown):
        assert len({item.item_id for item in answer}) == 5
        assert {1, 2}.isdisjoint(item.item_id for item in answer)


@pytest.mark.parametrize(
    ("text", "overrides", "expected"),
    [
        (RANKING + NEIGHBOURS, (), "sources stand beside [retrieval], and there is none"),
        (TEXT, ("sources.neighbours.quota=5",), "quotas add up to 5, which leaves [retrieval] none of 5 candidates"),
        (TEXT.replace("sources.neighbours", "sources.funnel"), (), "another part of the funnel has this name"),
        (TEXT.replace("sources.neighbours", "sources.two_tower"), (), "another part of the funnel has this name"),
        (TEXT, ("sources.neighbours.model.neighbour=7",), "Did you mean `neighbours`"),
        (RECIPE + NEIGHBOURS, ("sources.neighbours.epochs=3",), "item_knn is fitted in one go and has no use for it"),
        (
            HEAD + '[retrieval]\nmodel = "popularity"\n' + NEIGHBOURS,
            (),
            "popularity knows nothing of who asks: make it one of [sources]",
        ),
        (TEXT, ("sources.neighbours.quotas=7",), "Did you mean `quota`"),
    ],
)
def test_what_cannot_be_a_source(
    tables: Path, tmp_path: Path, text: str, overrides: tuple[str, ...], expected: str
) -> None:
    if "[data]" not in text:
        text = HEAD + text
    with pytest.raises(RecipeError) as error:
        run(tables, tmp_path, *overrides, text=text)
    assert expected in str(error.value)


def test_a_segment_that_the_users_table_does_not_bear_out_is_refused_before_anything_trains(tmp_path: Path) -> None:
    write_tables(tmp_path)
    users = range(20)
    pq.write_table(pa.table({"user": users, "kind": [f"k{user % 2}" for user in users]}), tmp_path / "users.parquet")
    log = 'interactions = "events.parquet"\n'
    text = (HEAD + "[retrieval]\nmodel = 'user_knn'\n" + SEGMENTED).replace(log, f'{log}users = "users.parquet"\n')
    misspelt = run(tmp_path, tmp_path / "run", text=text.replace('"kind"', '"kin"'))[0]

    said = "no categorical feature of users is called 'kin'. Did you mean `kind`?"
    with pytest.raises(RecipeError, match=re.escape(f"sources.fresh.model.segment: {said}")):
        misspelt.walk()
    assert not (tmp_path / "run" / "retrieval").exists()
    run(tmp_path, tmp_path / "run", text=text)[0].walk("train")
    assert (tmp_path / "run" / "sources" / "fresh").exists()
