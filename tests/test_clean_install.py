"""What a serving host installs, installed: the container file's steps, and what an MLflow model asks for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from benchmarks.load import Target
from benchmarks.served import HOST, Served, ask, free_port
from shortlist.bundle.recommender import Recommender
from shortlist.data.simulate import simulate_to
from shortlist.export.mlflow_model import save_mlflow_model
from tests.bundle.shop import untrained
from tests.pipeline.killed import RECIPE

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(1800)]

REPOSITORY = Path(__file__).resolve().parent.parent
SHOP = RECIPE.partition("[retrieval]")[0] + "[ranking]" + RECIPE.partition("[ranking]")[2]
TRAINS = ("torch", "duckdb", "ibis", "onnx", "scipy")
"""What nothing of a serving host may bring."""


@dataclass(frozen=True)
class Clean:
    """A virtual environment with nothing in it but pip."""

    folder: Path

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def install(self, *what: str) -> None:
        """Skips the test where no package index can be reached."""
        asked = self.run([str(self.bin / "pip"), "install", "--quiet", *what])
        if "No matching distribution found" in asked.stderr and "hatchling" in asked.stderr:
            pytest.skip("no package index can be reached")
        assert asked.returncode == 0, asked.stderr[-2000:]

    def python(self, code: str) -> str:
        """What the code prints."""
        ran = self.run([str(self.bin / "python"), "-c", code])
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    def run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.folder, env=without_this_checkout()
        )

    def present(self) -> str:
        """Which of the packages for training are there."""
        return self.python(f"import importlib.util as u; print([n for n in {TRAINS} if u.find_spec(n)])")


def without_this_checkout() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


@pytest.fixture
def clean(tmp_path: Path) -> Clean:
    venv.create(tmp_path / "clean", with_pip=True)
    return Clean(tmp_path / "clean")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    folder = tmp_path_factory.mktemp("shop")
    simulate_to(folder, users=50, items=100, seed=1)
    return untrained(folder, SHOP)


def test_the_container_files_steps_make_a_server_without_torch(
    clean: Clean, shop: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (REPOSITORY / "Containerfile").read_text()
    source = tmp_path / "source"
    for names, target in re.findall(r"^COPY (.+) (\S+)$", text, re.MULTILINE):
        for name in names.split():
            place = tmp_path / target.strip("/")
            if (REPOSITORY / name).is_dir():
                shutil.copytree(REPOSITORY / name, place)
            else:
                place.mkdir(exist_ok=True)
                shutil.copy(REPOSITORY / name, place)
    (asked,) = re.findall(r"pip install --no-cache-dir '/source(\[[\w,]+\])'", text)
    clean.install(f"{source}{asked}")
    shutil.rmtree(source)

    assert clean.present() == "[]"
    user = shop.bundle.user_keys[1].as_py()
    target = Target(HOST, free_port())
    start = [str(clean.bin / "shortlist"), "serve", str(shop.bundle.path), "--state", "none"]
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with Served([*start, "--port", str(target.port)], target, tmp_path / "serve.log", "/health/ready", None):
        status, body = ask(target, "POST", "/v1/recommend", orjson.dumps({"user_id": user, "n": 3}))

    assert status == 200
    assert [item["item_id"] for item in orjson.loads(body)["items"]] == expected(shop, user)


def test_the_requirements_of_an_mlflow_model_answer_without_torch(
    clean: Clean, shop: Recommender, tmp_path: Path
) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not here: pip install 'shortlist[mlflow]'")
    save_mlflow_model(shop.bundle.path, tmp_path / "model")
    clean.install("-r", str(tmp_path / "model" / "requirements.txt"))
    user = shop.bundle.user_keys[1].as_py()
    found = clean.python(
        f"import mlflow, pandas; m = mlflow.pyfunc.load_model({str(tmp_path / 'model')!r}); "
        f"f = m.predict(pandas.DataFrame({{'user_id': [{user!r}]}}), params={{'k': 3}}); print(list(f['items'][0]))"
    )

    assert clean.present() == "[]"
    assert found == str(expected(shop, user))


def expected(shop: Recommender, user: int | str) -> list[int | str]:
    return [item.item_id for item in shop.recommend([user], 3)[0]]
