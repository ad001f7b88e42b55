"""`doctor`: what is here, what is missing, and whether the main job can run."""

from __future__ import annotations

import importlib.metadata
import json

import pytest

from shortlist.models.catalogue import RANKING, RETRIEVAL
from tests.cli.conftest import Shortlist


def test_where_the_tests_run_the_main_job_can_run(shortlist: Shortlist) -> None:
    said = shortlist("doctor")

    assert said.code == 0
    assert said.out.splitlines()[-1] == "the main job can run here"
    assert all(name in said.out for name in ("python", "cores", "memory", "disk here", "gpu", "java"))


def test_json_tells_versions_of_what_is_installed(shortlist: Shortlist) -> None:
    said = shortlist("doctor", "--json")

    result = json.loads(said.out)
    found = {finding["name"]: finding for finding in result["findings"]}
    assert result["can_run"] is True
    assert found["pyarrow"]["text"] == importlib.metadata.version("pyarrow")
    assert found["torch"]["state"] == "good"
    assert "shortlist[train]" in found["torch"]["group"]


def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = importlib.metadata.version

    def without_torch(name: str) -> str:
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without_torch)
    said = shortlist("doctor")

    assert said.code == 6
    assert "BAD torch" in said.out
    assert "pip install 'shortlist[train]'" in said.out
    assert "cannot run here" in said.out


def test_every_model_is_listed_with_its_settings(shortlist: Shortlist) -> None:
    text, result = shortlist("doctor", "--models"), json.loads(shortlist("doctor", "--models", "--json").out)

    assert {(model["stage"], model["name"]) for model in result} == {
        *(("retrieval", name) for name in RETRIEVAL),
        *(("ranking", name) for name in RANKING),
    }
    deep = next(model for model in result if model["name"] == "wide_deep")
    assert deep["settings"]["hidden"]["doc"] == "Widths of the hidden layers."
    assert deep["settings"]["hidden"]["default"] == [256, 128]
    assert 'ranking.model = "wide_deep"' in text.out
    assert "hidden = [256, 128]" in text.out
    kinds = {kind["kind"]: kind["settings"] for kind in deep["settings"]["tasks"]["kinds"]}
    assert kinds.keys() == {"shared_bottom", "mmoe", "ple", "esmm"}
    assert kinds["mmoe"]["experts"] == {"default": 4, "doc": "Number of experts."}
    assert 'kind = "mmoe"' in text.out
