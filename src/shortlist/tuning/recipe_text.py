"""A recipe's text with other values: what else stands in it, comments among it, stays as it was written."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from typing import Any

import tomlkit
from tomlkit.container import Container

from shortlist.recipe.read import toml_value
from shortlist.recipe.sections import names_stages, with_default_stages

_ABOVE_TUNE = re.compile(r"\n+(?:#.*\n)*(?=\[tune[\].])")
"""Blank lines and comments directly above [tune], which a parser takes for the end of the section before it."""


def with_values(text: str, overrides: Sequence[str], remarks: Sequence[str] = ()) -> str:
    """The recipe `text` with each `section.setting=value` of `overrides`, without its [tune], below some remarks."""
    document = tomlkit.parse(_ABOVE_TUNE.sub("\n", text))
    document.pop("tune", None)
    if not names_stages(document):
        # A recipe that names one stage has that one alone: the other, which it had by default, is named too.
        for stage in with_default_stages(document).keys() - document.keys():
            document[stage] = tomlkit.table()
    for entry in overrides:
        path, _, raw = entry.partition("=")
        _put(document, path.strip().split("."), toml_value(raw.strip()))
    above = "".join(f"# {remark}\n" for remark in remarks)
    return above + tomlkit.dumps(document)


def _put(document: Container, path: Sequence[str], value: Any) -> None:
    """Set the value at a path; what lies between and is not there is made, below a section as an inline table."""
    node: MutableMapping[str, Any] = document
    for depth, part in enumerate(path[:-1]):
        child = node.get(part)
        if part == "model" and isinstance(child, str):
            node[part] = _inline({"name": str(child)})
        elif child is None:
            node[part] = _inline({}) if depth else tomlkit.table()
        node = node[part]
    node[path[-1]] = _inline(value) if isinstance(value, dict) else value


def _inline(values: dict[str, Any]) -> Any:
    table = tomlkit.inline_table()
    table.update(values)
    return table
