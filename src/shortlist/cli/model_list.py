"""The catalogue of models for people: names, what each one is, its settings with their docs."""

from __future__ import annotations

import textwrap
from typing import Any

from shortlist.core.registry import Catalogue
from shortlist.models.catalogue import RANKING, RETRIEVAL

Described = dict[str, Any]


def described_models() -> list[Described]:
    """Every model a recipe may name."""
    return [
        _described(stage, name, catalogue)
        for stage, catalogue in (("retrieval", RETRIEVAL), ("ranking", RANKING))
        for name in catalogue
    ]


def model_lines(model: Described) -> list[str]:
    """One model as lines of text."""
    lines = [f'{model["stage"]}.model = "{model["name"]}"   {model["about"]}']
    for name, setting in model["settings"].items():
        lines.append(f"    {name} = {setting['default']}")
        lines += textwrap.wrap(setting["doc"], 100, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return [*lines, ""]


def _described(stage: str, name: str, catalogue: Catalogue) -> Described:
    model = catalogue[name]
    module_doc = __import__(model.__module__, fromlist=["_"]).__doc__ or model.__doc__ or ""
    return {
        "stage": stage,
        "name": name,
        "about": module_doc.strip().splitlines()[0],
        "settings": {
            key: {"default": _shown(field.default), "doc": " ".join((field.description or "").split())}
            for key, field in model.Config.model_fields.items()
        },
    }


def _shown(value: Any) -> Any:
    """A default as JSON has it."""
    return [_shown(part) for part in value] if isinstance(value, tuple) else value
