"""A run takes as many cores as its recipe says, in NumPy's products too."""

from __future__ import annotations

from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from shortlist.core.progress import Silent
from shortlist.models.catalogue import check_models
from shortlist.pipeline.run import Run
from shortlist.recipe import parse_recipe
from tests.pipeline.test_redo import write_tables
from tests.pipeline.test_sources import HEAD


class Threads(Silent):
    """Keeps how many threads BLAS had at each line."""

    def __init__(self) -> None:
        self.found: list[int] = []

    def say(self, stage: str, message: str) -> None:
        self.found.append(blas())


def blas() -> int:
    return max(int(library["num_threads"]) for library in threadpool_info() if library["user_api"] == "blas")


@pytest.mark.parametrize("threads", [1, 2])
def test_products_take_the_threads_of_the_recipe_while_it_runs(tmp_path: Path, threads: int) -> None:
    text = f'{HEAD}[retrieval]\nmodel = "ease"\n'
    recipe = parse_recipe(text, "ease.toml", [f"compute.threads={threads}"], write_tables(tmp_path), check_models)
    said = Threads()
    with threadpool_limits(3 - threads, "blas"):
        Run(recipe, tmp_path / "run", said).walk()
        after = blas()
    assert set(said.found) == {threads}
    assert after == 3 - threads
