"""Who may call, from where, and what a browser is told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import UserError
from shortlist.serving import ServeSettings, create_app
from shortlist.serving.keys import ApiKeys

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
ONE, OTHER = "a" * 32, "b" * 32


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "keys"
    path.write_text(f"{ONE}\n\n{OTHER}\n")
    return str(path)


def test_everything_but_health_is_closed_without_a_key(shop: Recommender, serve: Serve, key_file: str) -> None:
    with serve(create_app(shop, ServeSettings(api_key_file=key_file))) as client:
        assert client.get("/health/live").status_code == client.get("/health/ready").status_code == 200
        for path in ("/docs", "/openapi.json", "/metrics", "/version", "/no/such/route"):
            assert client.get(path).status_code == 401
        for given in ("", "Bearer", f"Basic {ONE}", f"Bearer {ONE[:-1]}", "Bearer \xff"):
            refused = client.post("/v1/recommend", json={}, headers={b"Authorization": given.encode("latin-1")})
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            assert "Authorization: Bearer KEY" in refused.json()["error"]["message"]
        for key in (ONE, OTHER):
            answer = client.post("/v1/recommend", json={}, headers={"Authorization": f"Bearer {key}"})
            assert answer.status_code == 200


def test_a_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not ApiKeys.load(None)
    monkeypatch.setenv("SHORTLIST_API_KEY", ONE)
    keys = ApiKeys.load(None)
    assert keys.admit(ONE.encode())
    assert not keys.admit(OTHER.encode())


@pytest.mark.parametrize(("content", "said"), [("", "no API key"), ("short", "at least 16 characters")])
def test_a_file_without_a_good_key(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "keys"
    path.write_text(content)
    with pytest.raises(UserError, match=said):
        ApiKeys.load(path)
    with pytest.raises(UserError, match="cannot read"):
        ApiKeys.load(tmp_path / "nowhere")


def test_pages_of_other_origins_may_call_only_where_named(shop: Recommender, serve: Serve, key_file: str) -> None:
    asks = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    settings = ServeSettings(api_key_file=key_file, origins=("https://shop.example",))
    with serve(create_app(shop, settings)) as client:
        allowed = client.options("/v1/recommend", headers=asks)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, "https://shop.example")
        refused = client.options("/v1/recommend", headers={**asks, "Origin": "https://elsewhere.example"})
        assert "access-control-allow-origin" not in refused.headers


def test_by_default_no_page_may_call(client: httpx.Client) -> None:
    answer = client.get("/version", headers={"Origin": "https://shop.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_headers_that_keep_browsers_safe(client: httpx.Client) -> None:
    for path in ("/docs", "/version"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
    # The page of documentation brings its script from there.
    assert "cdn.jsdelivr.net" in client.get("/docs").headers["content-security-policy"]
