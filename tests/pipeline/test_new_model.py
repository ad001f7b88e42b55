"""A model is one file: written here into the catalogue, then trained by a recipe, exported, evaluated and served.

The data is the checkerboard, so every answer has a right one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import httpx
import pytest

import shortlist as sl
from shortlist.core.errors import RecipeError
from shortlist.core.registry import Catalogue
from shortlist.models.catalogue import RANKING, RETRIEVAL
from shortlist.serving import create_app
from shortlist.testing import Checkerboard

BOARD = Checkerboard(24)

RANKER = '''
"""Affinity: the dot product of what is known of the user and of the item."""

from pydantic import Field

from shortlist.core.settings import Settings
from shortlist.models.base import RankingModel
from shortlist.nn.embedding import StackedEmbedding


class Affinity(RankingModel):
    class Config(Settings):
        dim: int = Field(8, ge=1)
        """Width of the embeddings."""

    def __init__(self, config, inputs):
        super().__init__(config, inputs)
        self.table = StackedEmbedding(inputs.fields, config.dim)
        self.user, self.item = inputs.field("user.id"), inputs.field("item.id")

    def forward(self, batch):
        vectors_BFD = self.table(batch.ids_BF, self.inputs.fields)
        return (vectors_BFD[:, self.user] * vectors_BFD[:, self.item]).sum(1, keepdim=True)
'''

RETRIEVER = '''
"""Id vectors: one vector for each user and each item, and nothing else."""

from pydantic import Field

from shortlist.core.settings import Settings
from shortlist.models.base import RetrievalModel
from shortlist.nn.embedding import StackedEmbedding


class IdVectors(RetrievalModel):
    class Config(Settings):
        dim: int = Field(8, ge=1)
        """Width of the common space."""

    def __init__(self, config, query, candidate):
        super().__init__(config, query, candidate)
        self.users = StackedEmbedding(query.fields[:1], config.dim)
        self.items = StackedEmbedding(candidate.fields[:1], config.dim)

    def query(self, batch):
        return self.users(batch.ids_BF[:, :1], self.query_inputs.fields[:1])[:, 0]

    def candidate(self, batch):
        return self.items(batch.ids_BF[:, :1], self.candidate_inputs.fields[:1])[:, 0]
'''

FUNNEL = """
[compute]
threads = 1

[retrieval]
epochs = 1
batch_size = 32
history = 8
model = { name = "two_tower", dim = 8, embedding_dim = 8, temperature = 0.2 }
dense = { lr = 0.02 }
embedding = { lr = 0.05 }

[ranking]
epochs = 6
batch_size = 32
history = 0
model = { name = "affinity", dim = 4 }
embedding = { lr = 0.05 }

[evaluation]
metrics = ["hit_rate@1"]
"""

RETRIEVAL_ALONE = """
[compute]
threads = 1

[retrieval]
epochs = 1
batch_size = 32
history = 0
model = "id_vectors"
embedding = { lr = 0.05 }

[evaluation]
metrics = ["hit_rate@1"]
"""


def drop(catalogue: Catalogue, name: str, text: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Put the file `name`.py where the catalogue looks, as if it lay in the package; forgotten after the test."""
    folder.mkdir()
    (folder / f"{name}.py").write_text(text)
    package = import_module(catalogue.package)
    patch.setattr(package, "__path__", [*package.__path__, str(folder)])
    # What is in the package is looked up once a process; a new file is there from the beginning.
    patch.delitem(catalogue.__dict__, "_modules", raising=False)


@pytest.fixture(scope="module", autouse=True)
def new_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("models")
    assert "affinity" not in RANKING
    with pytest.MonkeyPatch.context() as patch:
        drop(RANKING, "affinity", RANKER, folder / "ranking", patch)
        drop(RETRIEVAL, "id_vectors", RETRIEVER, folder / "retrieval", patch)
        yield
    for name in ("shortlist.models.ranking.affinity", "shortlist.models.retrieval.id_vectors"):
        sys.modules.pop(name, None)


def trained(folder: Path, stages: str) -> sl.Run:
    recipe = sl.load_recipe(BOARD.write(folder, stages))
    run = sl.prepare(recipe, folder / "run")
    sl.fit(run)
    return run


@pytest.fixture(scope="module")
def funnel(tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """Candidates of the two towers, ranked by the new model."""
    return trained(tmp_path_factory.mktemp("funnel"), FUNNEL)


@pytest.fixture(scope="module")
def retriever(tmp_path_factory: pytest.TempPathFactory) -> sl.Run:
    """The new retrieval model alone."""
    return trained(tmp_path_factory.mktemp("retriever"), RETRIEVAL_ALONE)


def served(run: sl.Run) -> dict[int, dict[str, Any]]:
    """The best answer to each user of the board, from the bundle over HTTP."""
    app = create_app(sl.load(str(run.folder / "bundle")))

    async def ask() -> dict[int, dict[str, Any]]:
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://board") as client,
        ):
            assert (await client.get("/health/ready")).status_code == 200
            answers = {}
            for user in BOARD.answers():
                response = await client.post("/v1/recommend", json={"user_id": user, "n": 1})
                assert response.status_code == 200, response.text
                (answers[user],) = response.json()["items"]
            return answers

    return asyncio.run(ask())


def test_the_funnel_answers_what_is_provably_right(funnel: sl.Run) -> None:
    recommender = funnel.recommender()
    users = list(BOARD.answers())
    first = {user: found[0] for user, found in zip(users, recommender.recommend(users, k=3), strict=True)}

    assert {user: found.item_id for user, found in first.items()} == BOARD.answers()
    assert {found.source for found in first.values()} == {"two_tower"}


def test_each_stage_knows_the_answer_by_itself(funnel: sl.Run) -> None:
    recommender = funnel.recommender()
    for user, item in BOARD.answers().items():
        found = recommender.run(recommender.requests([user]), 1, stages="retrieval")
        assert recommender.present(found)[0][0].item_id == item
        others = [other for other in BOARD.answers() if (other - item) % 2]
        assert recommender.rank(user, [*others, item])[0].item_id == item


@pytest.mark.parametrize(("which", "source"), [("funnel", "two_tower"), ("retriever", "id_vectors")])
def test_the_new_model_is_served(which: str, source: str, request: pytest.FixtureRequest) -> None:
    answers = served(request.getfixturevalue(which))

    assert {user: answer["item_id"] for user, answer in answers.items()} == BOARD.answers()
    assert {answer["source"] for answer in answers.values()} == {source}


def test_what_is_measured_agrees(funnel: sl.Run) -> None:
    """Users of the third board meet their item in the test split: a perfect funnel hits each with its first answer."""
    metrics = sl.evaluate(funnel)

    assert metrics["stages"]["funnel"]["hit_rate@1"]["value"] == 1
    assert metrics["stages"]["popularity"]["hit_rate@1"]["value"] < 0.5
    assert (funnel.folder / "report.html").is_file()


def test_its_settings_are_read_strictly(tmp_path: Path) -> None:
    path = BOARD.write(tmp_path, '[ranking]\nmodel = { name = "affinity", dims = 3 }\n')

    with pytest.raises(RecipeError, match=r"ranking\.model\.dims: no such setting\. Did you mean `dim`\?"):
        sl.load_recipe(path)
