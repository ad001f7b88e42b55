"""The population stability index of what is served."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from shortlist.bundle.manifest import write_manifest
from shortlist.bundle.profile import PROFILE, columns_of, profile_of, profile_to_json
from shortlist.bundle.recommender import Recommender
from shortlist.core.files import write_json
from shortlist.serving import create_app, drift
from shortlist.serving.drift import stability_index

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]


def test_the_index_by_hand() -> None:
    assert stability_index([0.5, 0.5], [10, 10]) == 0.0
    expected = 0.3 * math.log(0.8 / 0.5) + -0.3 * math.log(0.2 / 0.5)
    assert stability_index([0.5, 0.5], [8, 2]) == pytest.approx(expected)
    assert 1 < stability_index([0.5, 0.5], [10, 0]) < 5


def with_profile(shop: Recommender, folder: Path) -> Recommender:
    """The shop's bundle with a profile of all its users as its table has them."""
    shutil.copytree(shop.bundle.path, folder)
    requests = shop.requests(shop.bundle.user_keys[1:].to_pylist())
    parts = [columns_of(shop.bundle.schema, requests, shop.run(requests, 10))]
    write_json(folder / PROFILE, profile_to_json(profile_of(parts)))
    write_manifest(
        folder, {name: fact for name, fact in shop.bundle.manifest.items() if name not in ("format", "files")}
    )
    return Recommender.load(folder)


def test_other_users_than_those_measured_show(
    shop: Recommender, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "_FEWEST", 40)
    recommender = with_profile(shop, tmp_path / "bundle")
    with serve(create_app(recommender)) as client:
        for user in recommender.bundle.user_keys[1:].to_pylist():
            client.post("/v1/recommend", json={"user_id": user})
        alike = index(client, "user.city")
        for _ in range(60):
            client.post("/v1/recommend", json={"user_features": {"city": "Bonn"}})
        other = index(client, "user.city")
        scores = index(client, "score")
    assert alike == pytest.approx(0.0, abs=1e-9)
    assert other > 0.25
    assert math.isfinite(scores)


def index(client: httpx.Client, column: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    (found,) = (line for line in lines if line.startswith("shortlist_drift_psi{") and f'column="{column}"' in line)
    return float(found.rpartition(" ")[2])


def test_a_bundle_without_a_profile_has_no_index(shop: Recommender, serve: Serve, tmp_path: Path) -> None:
    shutil.copytree(shop.bundle.path, tmp_path / "old")
    (tmp_path / "old" / PROFILE).unlink(missing_ok=True)
    kept = {name: fact for name, fact in shop.bundle.manifest.items() if name not in ("format", "files")}
    write_manifest(tmp_path / "old", kept)
    with serve(create_app(Recommender.load(tmp_path / "old"))) as client:
        client.post("/v1/recommend", json={})
        assert "shortlist_drift_psi" not in client.get("/metrics").text
