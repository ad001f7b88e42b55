"""Catalogues: a file in the package is enough, and an unknown name is answered with the nearest known one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from shortlist.core.errors import UserError
from shortlist.core.registry import Catalogue
from shortlist.core.suggest import did_you_mean

FILES = {
    "__init__.py": "",
    "_shared.py": "class Shared: ...",
    "plain.py": "def plain(): return 'plain'",
    "two_words.py": "class TwoWords: ...",
    "wrong.py": "class SomethingElse: ...",
    "broken.py": "raise RuntimeError('imported')",
}


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalogue]:
    package = tmp_path / "toy_catalogue"
    package.mkdir()
    for name, text in FILES.items():
        (package / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Catalogue("toy_catalogue", "toy")
    for name in [name for name in sys.modules if name.split(".")[0] == "toy_catalogue"]:
        del sys.modules[name]


def test_finds_modules_without_importing_them(catalogue: Catalogue) -> None:
    assert catalogue.names() == ("broken", "plain", "two_words", "wrong")
    assert list(catalogue) == list(catalogue.names())
    assert "toy_catalogue.plain" not in sys.modules


def test_gives_the_function_or_class_called_as_the_module(catalogue: Catalogue) -> None:
    assert catalogue["plain"]() == "plain"
    assert catalogue["two_words"].__name__ == "TwoWords"


def test_shared_modules_are_no_entries(catalogue: Catalogue) -> None:
    assert "_shared" not in catalogue
    with pytest.raises(UserError):
        catalogue["_shared"]


def test_an_unknown_name_is_answered_with_the_nearest(catalogue: Catalogue) -> None:
    with pytest.raises(UserError, match=r"no toy is called 'tow_words'. Did you mean `two_words`\?"):
        catalogue["tow_words"]


def test_a_module_without_its_object_says_what_to_define(catalogue: Catalogue) -> None:
    with pytest.raises(TypeError, match=r"toy_catalogue\.wrong must define the function wrong, or a class"):
        catalogue["wrong"]


def test_an_object_of_another_package_can_join(catalogue: Catalogue) -> None:
    mine = object()
    catalogue.add("mine", mine)

    assert "mine" in catalogue
    assert catalogue["mine"] is mine
    assert "mine" in catalogue.names()


def test_without_a_near_name_all_are_listed() -> None:
    assert did_you_mean("zebra", ["beta", "alpha"]) == " There is: alpha, beta."
    assert did_you_mean("zebra", []) == ""
