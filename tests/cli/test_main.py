"""The command as a whole: help, version, examples, wrong command lines, and how fast it answers."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time

import pytest

from shortlist import __version__
from shortlist.cli.main import VERBS, build_parser
from tests.cli.conftest import Shortlist


def examples() -> list[str]:
    """Every command line in every verb's help, without what a shell would do with it."""
    lines = [line for verb in VERBS.values() for line in verb.EXAMPLES.splitlines()]
    return [re.split(r" {2,}| [>|] ", line.strip())[0] for line in lines]


def test_help_lists_every_verb_and_says_what_exit_codes_mean(shortlist: Shortlist) -> None:
    said = shortlist("--help")

    assert said.code == 0
    assert all(f"\n    {name} " in said.out for name in VERBS)
    assert "exit codes" in said.out


def test_without_words_the_help_is_shown(shortlist: Shortlist) -> None:
    assert shortlist() == shortlist("--help")


def test_version(shortlist: Shortlist) -> None:
    assert shortlist("--version") == (0, f"shortlist {__version__}\n", "")


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_a_verb_shows_examples(verb: str, shortlist: Shortlist) -> None:
    said = shortlist(verb, "--help")

    assert said.code == 0
    assert f"  shortlist {verb}" in said.out.split("examples:")[1]


@pytest.mark.parametrize("example", examples())
def test_an_example_is_a_command_line_that_is_understood(example: str) -> None:
    program, *words = shlex.split(example)

    assert program == "shortlist"
    assert callable(build_parser().parse_args(words).run)


def test_an_unknown_verb_gets_the_nearest_one(shortlist: Shortlist) -> None:
    said = shortlist("trian")

    assert said.code == 2
    assert "there is no verb 'trian'. Did you mean `train`?" in said.err


def test_a_wrong_option_names_the_help_to_read(shortlist: Shortlist) -> None:
    said = shortlist("recommend", "--k", "ten", "bundle")

    assert said.code == 2
    assert "'ten'" in said.err
    assert "shortlist recommend --help" in said.err
    assert "Traceback" not in said.err


def test_a_missing_recipe_says_how_to_get_one(
    shortlist: Shortlist, monkeypatch: pytest.MonkeyPatch, shop: object
) -> None:
    monkeypatch.chdir(str(shop))
    said = shortlist("run")

    assert said.code == 2
    assert "no file shortlist.toml. `shortlist init TABLES...` writes one." in said.err


def test_help_loads_nothing_heavy_and_answers_at_once() -> None:
    code = (
        "import sys; from shortlist.cli.main import main; main(['--help']);"
        "print(sorted({'numpy', 'pyarrow', 'torch', 'ibis', 'rich', 'pydantic', 'fastapi'} & set(sys.modules)))"
    )
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines()[-1] == "[]"
    # 0.1 s on a quiet machine; loaded with torch it would be some seconds.
    assert time.monotonic() - started < 3
