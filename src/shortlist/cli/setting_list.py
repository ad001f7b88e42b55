"""What a recipe may say, for people: its sections, and the models that it may name, with their settings and docs."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any, get_args

from pydantic.fields import FieldInfo

from shortlist.core.registry import Catalogue
from shortlist.core.settings import Settings
from shortlist.models.catalogue import RANKING, RETRIEVAL
from shortlist.recipe.retrieval import Retrieval, Source
from shortlist.recipe.sections import Recipe
from shortlist.recipe.training import Model

Described = dict[str, Any]


def described_sections() -> list[Described]:
    """Every section of a recipe; first, without a name, what stands above them."""
    own = {name: field for name, field in Recipe.model_fields.items() if not _groups(field.annotation)}
    above = {"section": "", "about": "Above the sections.", "settings": _described_fields(own)}
    return [above, *(_section(name, field) for name, field in Recipe.model_fields.items() if name not in own)]


def _section(name: str, field: FieldInfo) -> Described:
    (section,) = _groups(field.annotation)
    is_source = section is Source
    own = {key: of for key, of in section.model_fields.items() if not (is_source and key in Retrieval.model_fields)}
    return {
        "section": "sources.NAME" if is_source else field.alias or name,
        "about": " ".join((field.description or "").split()) + (" All of [retrieval], and:" if is_source else ""),
        "settings": _described_fields(own),
    }


def section_lines(section: Described) -> list[str]:
    """One section as lines of text."""
    first = f"[{section['section']}]   {section['about']}" if section["section"] else section["about"]
    return [*textwrap.wrap(first, 120), *_setting_lines(section["settings"], 4), ""]


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
        value = _as_text(setting["default"]) if "default" in setting else "..."
        margin = " " * (indent + 4)
        lines.append(f"{' ' * indent}{name}" if "settings" in setting else f"{' ' * indent}{name} = {value}")
        lines += textwrap.wrap(setting["doc"], 100, initial_indent=margin, subsequent_indent=margin)
        lines += _setting_lines(setting.get("settings", {}), indent + 8)
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
    """Every setting with its default, its doc, and, where it is a group or a choice of groups, theirs."""
    return _described_fields(config.model_fields)


def _described_fields(fields: Mapping[str, FieldInfo]) -> Described:
    described: Described = {}
    for key, field in fields.items():
        value = {"required": True} if field.is_required() else {"default": _shown(field.default)}
        described[key] = {**value, "doc": " ".join((field.description or "").split())}
        groups = _groups(field.annotation)
        kinds = [group for group in groups if _kind(group)]
        if kinds:
            described[key]["kinds"] = [
                {
                    "kind": _kind(group),
                    "about": (group.__doc__ or "").strip(),
                    "settings": {name: of for name, of in _settings(group).items() if name != "kind"},
                }
                for group in kinds
            ]
        elif groups and groups[0] is not Model:
            described[key]["settings"] = _settings(groups[0])
    return described


def _kind(group: type[Settings]) -> str | None:
    """What a group calls itself, where it is one of several that a setting may be."""
    field = group.model_fields.get("kind")
    return field.default if field is not None and get_args(field.annotation) == (field.default,) else None


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
