"""`doctor`: what is here, what is missing, and whether the main job can run."""

from __future__ import annotations

import importlib.metadata
import json

import pytest

from shortlist.models.catalogue import RANKING, RETRIEVAL
from shortlist.recipe.sections import Recipe
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


def test_every_setting_of_a_recipe_is_listed_with_its_default(shortlist: Shortlist) -> None:
    text, result = shortlist("doctor", "--settings").out, json.loads(shortlist("doctor", "--settings", "--json").out)

    named = [section["section"] for section in result]
    told = {name for name in Recipe.model_fields if name not in ("name", "seed")}
    assert {name.removesuffix(".NAME") for name in named} == {"", *told} - {"schema_"} | {"schema"}
    sections = {section["section"]: section["settings"] for section in result}
    assert sections["funnel"]["exclude_seen"] == {
        "default": True,
        "doc": "Leave out what the user has already interacted with.",
    }
    assert sections["data"]["interactions"]["required"] is True
    assert {kind["kind"] for kind in sections["features"]["item"]["kinds"]} >= {"numeric", "multi_hot"}
    assert sections["retrieval"]["negatives"]["settings"]["source"]["default"] == "in_batch"
    assert sections["funnel"]["index"]["settings"]["kind"]["default"] == "auto"
    assert list(sections["sources.NAME"]) == ["quota"]
    assert all(setting["doc"] for settings in sections.values() for setting in settings.values())
    assert "[funnel]   How an answer is made." in text
    assert "    exclude_seen = true\n" in text


def test_packages_of_every_extra_that_people_choose_are_looked_for(shortlist: Shortlist) -> None:
    found = {finding["name"] for finding in json.loads(shortlist("doctor", "--json").out)["findings"]}
    assert {"faiss-cpu", "implicit", "lancedb", "optuna", "redis", "s3fs"} <= found
