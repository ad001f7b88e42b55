"""The page in a real browser: a list that changes with what is done."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
from fastapi import FastAPI

from shortlist.bundle.recommender import Recommender
from shortlist.serving import ServeSettings, create_app
from shortlist.serving.routes_page import FOLDER

Serve = Callable[[FastAPI], AbstractContextManager[httpx.Client]]
KEY = "a key of the tests, long enough".replace(" ", "-")


def test_the_page_and_all_that_it_names_are_served(client: httpx.Client) -> None:
    page = client.get("/")
    named = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert len(named) == 3
    for name in named:
        assert client.get(name).status_code == 200, name


def test_every_module_that_a_script_imports_is_there() -> None:
    imported = {
        name for script in FOLDER.glob("*.js") for name in re.findall(r'from "\./([^"]+)"', script.read_text("utf-8"))
    }

    assert imported
    assert imported <= {path.name for path in FOLDER.iterdir()}


def test_nothing_is_loaded_from_elsewhere_and_no_script_stands_in_the_page(client: httpx.Client) -> None:
    policy = client.get("/").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    for path in FOLDER.iterdir():
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|innerHTML|\bon\w+=\"", path.read_text("utf-8")), path


def test_other_files_are_not_served(client: httpx.Client) -> None:
    for name in ("page/", "page/nothing.js", "page/..%2Fapp.py", "page/%2e%2e/app.py"):
        assert client.get(name).status_code == 404, name


def test_the_page_needs_no_key_but_what_it_asks_does(shop: Recommender, serve: Serve, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(KEY)

    with serve(create_app(shop, ServeSettings(api_key_file=str(keys)))) as client:
        assert client.get("/").status_code == 200
        assert client.get("/page/page.js").status_code == 200
        assert client.get("/v1/about").status_code == 401
        assert client.get("/v1/about", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


def test_answers_say_how_long_each_stage_took(client: httpx.Client) -> None:
    timing = client.post("/v1/recommend", json={"n": 1}).headers["server-timing"]

    stages = dict(part.split(";dur=") for part in timing.split(", "))

    assert {"encode", "candidates", "ranking"} <= stages.keys()
    assert all(float(milliseconds) >= 0 for milliseconds in stages.values())
