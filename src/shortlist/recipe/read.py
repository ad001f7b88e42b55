"""Reading a recipe: TOML text, overrides from the command line, every problem at once with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from shortlist.core.errors import Problem, RecipeError
from shortlist.core.settings import read_settings
from shortlist.recipe.sections import Recipe, names_stages, with_default_stages
from shortlist.recipe.sources import below

Check = Callable[[Mapping[str, Any]], list[Problem]]
"""A further check of the values as they stand in the file, such as the settings of the models they name."""


def load_recipe(
    path: str | Path,
    overrides: Sequence[str] = (),
    data_dir: str | Path | None = None,
    check: Check | None = None,
) -> Recipe:
    """Read the recipe file at `path`.

    `overrides` are `section.setting=value` texts, the value in TOML (a bare word is text). Paths under `[data]` are
    taken from `data_dir`, by default the recipe's own folder; `funnel.index.place` always from that, unless it is an
    address. Raises RecipeError with all problems together.
    """
    path = Path(path)
    if not path.is_file():
        raise RecipeError([Problem("recipe", f"no file {path}. `shortlist init TABLES...` writes one.")], str(path))
    text = path.read_text(encoding="utf-8")
    base = Path(data_dir) if data_dir is not None else path.parent
    if not base.is_dir():
        raise RecipeError([Problem("--data", f"no folder {base} (`data_dir` in Python)")], str(path))
    return _place_index(parse_recipe(text, path.name, overrides, base, check), path.parent)


def parse_recipe(
    text: str,
    file: str = "recipe.toml",
    overrides: Sequence[str] = (),
    data_dir: Path | None = None,
    check: Check | None = None,
) -> Recipe:
    """Read a recipe from its text; see `load_recipe`."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError([Problem("not TOML", str(error))], file) from error
    names_its_stages = names_stages(values)
    problems = [problem for entry in overrides if (problem := _override(values, entry))]
    if not names_its_stages:
        # An override of one default stage must not be taken for a recipe that has this stage alone.
        values = with_default_stages(values)
    values.setdefault("name", _name_from(file))
    recipe, found = read_settings(Recipe, values)
    problems += found
    if check is not None:
        problems += check(values)
    if recipe is None or problems:
        lines = _setting_lines(text)
        asked = tuple(entry.partition("=")[0].strip() for entry in overrides)
        raise RecipeError([_with_line(problem, lines, asked) for problem in problems], file)
    return _resolve_paths(recipe, data_dir) if data_dir is not None else recipe


def _name_from(file: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9_.-]", "-", Path(file).stem).lstrip("-._")
    return stem or "shortlist"


def _override(values: dict[str, Any], entry: str) -> Problem | None:
    """Apply one `a.b.c=value`; a Problem when it cannot be read."""
    key, equals, raw = entry.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        return Problem("--set", f"expected section.setting=value, found {entry!r}")
    node = values
    for part in parts[:-1]:
        child = node.setdefault(part, {})
        if part == "model" and isinstance(child, str):
            child = node[part] = {"name": child}
        if not isinstance(child, dict):
            return Problem("--set", f"{key}: `{part}` is not a section")
        node = child
    node[parts[-1]] = toml_value(raw.strip())
    return None


def toml_value(raw: str) -> Any:
    """A TOML value; what is not TOML is taken as text, so that quotes may be left out in a shell."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


_HEADER = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]")
_KEY = re.compile(r"^\s*((?:[A-Za-z0-9_-]+|\"[^\"]*\")(?:\s*\.\s*(?:[A-Za-z0-9_-]+|\"[^\"]*\"))*)\s*=")
_INLINE_KEY = re.compile(r"[{,]\s*([A-Za-z0-9_-]+)\s*=")


def _setting_lines(text: str) -> Mapping[str, int]:
    """Line of each dotted setting: tomllib keeps no places, so headers, keys and inline tables are found by form."""
    lines: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            section = _plain(header[1])
            lines.setdefault(section, number)
        elif key := _KEY.match(line):
            path = f"{section}.{_plain(key[1])}".lstrip(".")
            for parent in accumulate(path.split("."), "{}.{}".format):
                lines.setdefault(parent, number)
            for inner in _INLINE_KEY.findall(line[key.end() :]):
                lines.setdefault(f"{path}.{inner}", number)
    return lines


def _plain(key: str) -> str:
    return ".".join(part.strip().strip('"') for part in key.split("."))


def _with_line(problem: Problem, lines: Mapping[str, int], asked: tuple[str, ...]) -> Problem:
    """The problem with the line of its setting, or the nearest section above it; none for what --set asked or made."""
    path = problem.where
    made = path not in lines and any(setting.startswith(path + ".") for setting in asked)
    if made or any(path == setting or path.startswith(setting + ".") for setting in asked):
        return replace(problem, message=f"{problem.message} (from --set)")
    while path and path not in lines:
        path = path.rpartition(".")[0]
    return replace(problem, line=lines.get(path, 0))


def _resolve_paths(recipe: Recipe, base: Path) -> Recipe:
    """Source paths made absolute below `base`; an absolute path stays as it is."""
    given = recipe.data
    log = given.interactions.model_dump(exclude_none=True)
    found = {
        "interactions": given.interactions.model_copy(update={name: below(base, log[name]) for name in log}),
        **{name: below(base, source) for name in ("users", "items") if (source := getattr(given, name)) is not None},
    }
    return recipe.model_copy(update={"data": given.model_copy(update=found)})


def _place_index(recipe: Recipe, base: Path) -> Recipe:
    """`funnel.index.place` made absolute below `base`, unless it is an address such as `s3://bucket/folder`."""
    index = recipe.funnel.index
    if index.place is None or "://" in index.place:
        return recipe
    index = index.model_copy(update={"place": str((base / index.place).absolute())})
    return recipe.model_copy(update={"funnel": recipe.funnel.model_copy(update={"index": index})})
