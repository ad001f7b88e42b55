"""A recorded run in MLflow's own pages, in a real browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from benchmarks.load import Target
from benchmarks.served import HOST, Served, free_port
from shortlist.tracking.record import Record
from shortlist.tracking.watch import MlflowWatch
from tests.pipeline.test_redo import RANKING, RECIPE, run, write_tables

pytest.importorskip("mlflow", reason="mlflow is not here: pip install 'shortlist[mlflow]'")
pytest.importorskip("playwright")
from playwright.sync_api import Browser, Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(900)]

_PATIENCE_MS = 120_000
"""The pages are a large application, and charts are drawn by code that is loaded when they are looked at."""


@dataclass(frozen=True)
class Pages:
    """Where the pages of a recorded run are."""

    address: str
    record: Record

    def of(self, run_id: str, tab: str = "") -> str:
        """A run's page."""
        return f"{self.address}/#/experiments/{self.record.experiment_id}/runs/{run_id}{tab}"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """A run of two trained stages, recorded in a database, and MLflow's server of it."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        # Jobs are for language models: six processes less.
        patch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
        epochs = ("retrieval.epochs=2", "ranking.epochs=2")
        begun, _ = run(write_tables(folder), folder / "run", *epochs, text=RECIPE + RANKING)
        replace(begun, watch=MlflowWatch()).walk()
        record = Record.read(folder / "run")
        assert record is not None
        target = Target(HOST, free_port())
        command = [sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", record.tracking_uri, "--workers", "1"]
        command += ["--host", HOST, "--port", str(target.port)]
        with Served(command, target, folder / "pages.log", "/health", None):
            yield Pages(f"http://{HOST}:{target.port}", record)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_page(viewport={"width": 1400, "height": 1600})
    page.set_default_timeout(_PATIENCE_MS)
    expect.set_options(timeout=_PATIENCE_MS)
    yield page
    page.close()


def test_a_run_shows_its_name_its_stages_and_its_figures(page: Page, pages: Pages) -> None:
    page.goto(pages.of(pages.record.run_id))

    expect(page.get_by_role("heading", name="redo")).to_be_visible()
    for stage in pages.record.stages:
        expect(page.get_by_role("link", name=stage, exact=True)).to_be_visible()
    page.get_by_placeholder("Search metrics").fill("funnel/ndcg_at_10")
    expect(page.get_by_text("funnel/ndcg_at_10", exact=True)).to_be_visible()


def test_the_curves_of_a_stage_are_drawn(page: Page, pages: Pages) -> None:
    page.goto(pages.of(pages.record.stages["retrieval"].run_id, "/model-metrics"))
    page.get_by_placeholder("Search metric charts").fill("train_loss")

    expect(page.get_by_text("train_loss", exact=True)).to_be_visible()
    points = page.locator(".js-plotly-plot .scatterlayer .point")
    expect(points).to_have_count(2)  # one an epoch


def test_the_plots_among_the_artifacts_are_seen(page: Page, pages: Pages) -> None:
    page.goto(pages.of(pages.record.run_id, "/artifacts"))
    page.get_by_text("charts", exact=True).click()
    page.get_by_text("retrieval_training_loss.svg", exact=True).click()
    picture = page.get_by_role("img", name="charts/retrieval_training_loss.svg")

    expect(picture).to_be_visible()
    # A picture that cannot be drawn fails to be decoded.
    drawn = page.locator('img[src^="blob:"]').first.evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert drawn > 100
