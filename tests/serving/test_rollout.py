"""A new bundle beside the old one: loaded, checked, swapped, and gone back from."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE

from shortlist.bundle.manifest import write_manifest
from shortlist.bundle.parity_sample import check_sample, take_sample
from shortlist.bundle.recommender import Recommender
from shortlist.bundle.sample import typical_users
from shortlist.core.errors import BundleError
from shortlist.core.files import read_json, write_json
from shortlist.serving import ServeSettings, rollout
from shortlist.serving.alias import bundle_at
from shortlist.serving.orders import Placed, Report, RunFolder
from shortlist.serving.run import application
from shortlist.serving.settings import MAIN, Variant
from shortlist.state import StateEvent
from shortlist.state.lmdb_state import LmdbState

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
KEY = "k" * 32


@pytest.fixture
def admin(old: Path, folder: RunFolder, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A server with a key that follows the folder's orders, the first of which is the old bundle."""
    monkeypatch.setenv("SHORTLIST_API_KEY", KEY)
    for name, value in ServeSettings(run_folder=str(folder.path)).to_environment().items():
        monkeypatch.setenv(name, value)
    folder.give({MAIN: Placed.at(old)})
    with serve(application()) as client:
        client.headers["Authorization"] = f"Bearer {KEY}"
        yield client


def items(client: httpx.Client) -> int:
    return int(client.get("/version").json()["items"])


def test_a_new_bundle_takes_over_and_the_old_one_comes_back(admin: httpx.Client, new: Path) -> None:
    assert items(admin) == 30
    answer = admin.post("/v1/admin/reload", json={"bundle": str(new)})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["generation"], answer.json()["workers"]) == (1, 1)
    assert items(admin) == 31
    version = admin.post("/v1/recommend", json={}).json()["bundle"]["version"]
    assert answer.json()["bundles"][MAIN]["version"] == version
    assert admin.post("/v1/admin/rollback").status_code == 200
    assert items(admin) == 30
    # Back from going back: the bundle before is the new one again.
    assert admin.post("/v1/admin/rollback").status_code == 200
    assert items(admin) == 31


def test_no_request_is_dropped_by_a_swap(admin: httpx.Client, new: Path) -> None:
    statuses: list[int] = []
    stopped = threading.Event()

    def ask() -> None:
        while not stopped.is_set():
            statuses.append(admin.post("/v1/recommend", json={"user_id": 117}).status_code)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    codes = [admin.post("/v1/admin/reload", json={"bundle": str(new)}).status_code]
    codes.append(admin.post("/v1/admin/rollback").status_code)
    stopped.set()
    for thread in asking:
        thread.join(30)
    assert codes == [200, 200]
    assert set(statuses) == {200}


def test_a_bad_bundle_leaves_the_old_one(admin: httpx.Client, new: Path, clicks_bundle: Path) -> None:
    with (new / "items.arrow").open("ab") as file:
        file.write(b"more")
    for path, said in ((new, "items.arrow"), (new / "nowhere", "no folder"), (clicks_bundle, "other ids")):
        refused = admin.post("/v1/admin/reload", json={"bundle": str(path)})
        assert refused.status_code == 409
        assert said in refused.json()["error"]["message"]
    assert admin.post("/v1/admin/rollback").status_code == 409
    assert admin.post("/v1/admin/reload", json={"variant": "blue"}).status_code == 422
    assert admin.post("/v1/recommend", json={}).status_code == 200
    assert items(admin) == 30


def test_a_reload_of_the_same_place_follows_the_link_that_led_there(
    admin: httpx.Client, old: Path, new: Path, tmp_path: Path
) -> None:
    link = tmp_path / "current"
    link.symlink_to(old)
    assert admin.post("/v1/admin/reload", json={"bundle": str(link)}).status_code == 200
    link.unlink()
    link.symlink_to(new)
    assert admin.post("/v1/admin/reload", json={}).status_code == 200
    assert items(admin) == 31
    # The same once more: what there is to go back to is still the other one.
    assert admin.post("/v1/admin/reload", json={}).status_code == 200
    assert admin.post("/v1/admin/rollback").status_code == 200
    assert items(admin) == 30


@pytest.mark.parametrize("address", ["no\0where", "x" * 300])
def test_a_path_that_the_system_refuses(admin: httpx.Client, address: str) -> None:
    assert admin.post("/v1/admin/reload", json={"bundle": address}).status_code == 409


def test_a_worker_that_is_starting_is_waited_for(
    admin: httpx.Client, new: Path, folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollout, "_PATIENCE_S", 0.5)
    # Process 1 lives wherever there are processes.
    write_json(folder.path / "workers" / "1.json", {"generation": -1, "problem": None})
    late = admin.post("/v1/admin/reload", json={"bundle": str(new)})
    assert late.status_code == 503
    assert "process 1: it has not answered yet" in late.json()["error"]["message"]


def test_without_a_key_there_are_no_admin_routes(client: httpx.Client) -> None:
    assert client.post("/v1/admin/reload", json={}).status_code == 404


def test_a_bundle_that_answers_its_sample_otherwise_is_refused(old: Path) -> None:
    recommender = Recommender.load(old)
    sample = take_sample(recommender)
    scores = sample["scores"]
    assert isinstance(scores, list)
    assert len(scores) == 9
    check_sample(recommender)
    scores[0][0] += 1.0
    write_json(old / "sample.json", sample)
    manifest = read_json(old / "manifest.json")
    write_manifest(old, {name: fact for name, fact in manifest.items() if name not in ("format", "files")})
    with pytest.raises(BundleError, match="own sample otherwise"):
        check_sample(Recommender.load(old))
    (old / "sample.json").unlink()
    check_sample(recommender)


def test_what_users_did_since_does_not_change_the_sample(old: Path, tmp_path: Path) -> None:
    with closing(LmdbState(tmp_path / "state")) as state:
        bundle = Recommender.load(old).bundle
        items = [str(key) for key in bundle.item_keys.to_pylist()[1:4]]
        users = typical_users(bundle, 8)
        state.append([StateEvent(user, item, 1_750_000_000) for user in users for item in items])
        recommender = Recommender(bundle, state=state)

        check_sample(recommender)

        assert len(recommender.requests(users).history.times) == 24 + len(
            Recommender(bundle).requests(users).history.times
        )


def test_a_process_says_that_it_starts_before_it_loads(
    folder: RunFolder, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ServeSettings(run_folder=str(folder.path)).to_environment().items():
        monkeypatch.setenv(name, value)
    folder.give({MAIN: Placed.at(old)})
    shutil.rmtree(old)
    with pytest.raises(SystemExit) as ended:
        application()
    assert ended.value.code == STARTUP_FAILURE
    assert folder.reports() == {os.getpid(): Report(-1)}


def test_a_folder_is_its_own_address() -> None:
    assert bundle_at("runs/shop/bundle") == Path("runs/shop/bundle")


def test_settings_reach_worker_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    variants = (Variant(name="a", bundle="x", share=1.0), Variant(name="b", bundle="y", share=2.0))
    settings = ServeSettings(queue=3, budget_ms=5.0, origins=("https://a.example",), variants=variants, follow=True)
    for name, value in settings.to_environment().items():
        monkeypatch.setenv(name, value)
    assert ServeSettings.from_environment() == settings
