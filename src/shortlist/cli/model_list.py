"""The catalogue of models for people: names, what each one is, its settings with their docs."""

from __future__ import annotations

import textwrap
from typing import Any, get_args

from shortlist.core.registry import Catalogue
from shortlist.core.settings import Settings
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
    return [*lines, *_setting_lines(model["settings"], 4), ""]


def _setting_lines(settings: Described, indent: int) -> list[str]:
    lines = []
    for name, setting in settings.items():
        lines.append(f"{' ' * indent}{name} = {_as_text(setting['default'])}")
        margin = " " * (indent + 4)
        lines += textwrap.wrap(setting["doc"], 100, initial_indent=margin, subsequent_indent=margin)
        for kind in setting.get("kinds", ()):
            lines.append(f'{margin}kind = "{kind["kind"]}"   {kind["about"]}')
            lines += _setting_lines(kind["settings"], indent + 8)
    return lines


def _described(stage: str, name: str, catalogue: Catalogue) -> Described:
    model = catalogue[name]
    module_doc = __import__(model.__module__, fromlist=["_"]).__doc__ or model.__doc__ or ""
    return {
        "stage": stage,
        "name": name,
        "about": module_doc.strip().splitlines()[0],
        "settings": _settings(model.Config),
    }


def _settings(config: type[Settings]) -> Described:
    """Every setting with its default, its doc, and, where it is a choice of groups, the settings of each."""
    described: Described = {}
    for key, field in config.model_fields.items():
        described[key] = {"default": _shown(field.default), "doc": " ".join((field.description or "").split())}
        kinds = [
            {
                "kind": group.model_fields["kind"].default,
                "about": (group.__doc__ or "").strip(),
                "settings": {name: of for name, of in _settings(group).items() if name != "kind"},
            }
            for group in _groups(field.annotation)
        ]
        if kinds:
            described[key]["kinds"] = kinds
    return described


def _groups(annotation: Any) -> list[type[Settings]]:
    """The groups of settings that an annotation is a choice of."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return [annotation]
    return [group for part in get_args(annotation) for group in _groups(part)]


def _shown(value: Any) -> Any:
    """A default as JSON has it."""
    if isinstance(value, Settings):
        return value.model_dump(mode="json")
    return [_shown(part) for part in value] if isinstance(value, tuple) else value


def _as_text(value: Any) -> str:
    """A default as a recipe would say it, where a recipe can."""
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_as_text(part)}" for key, part in value.items())
        return f"{{{inside}}}"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)
