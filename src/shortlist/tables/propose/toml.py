"""Settings as commented TOML: values, and each setting's doc from the class that declares it."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from typing import Any

from shortlist.core.settings import Settings

_WIDTH = 110
_BARE = re.compile(r"[A-Za-z0-9_-]+")


def key(name: str) -> str:
    """A key, quoted where it must be."""
    return name if _BARE.fullmatch(name) else _quoted(name)


def value(given: Any) -> str:
    """A value in one line."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, str):
        plain_inside = '"' in given and "'" not in given and given.isprintable()
        return f"'{given}'" if plain_inside else _quoted(given)
    if isinstance(given, list | tuple):
        return f"[{', '.join(value(part) for part in given)}]"
    if isinstance(given, dict):
        return "{" + ", ".join(f"{key(name)} = {value(part)}" for name, part in given.items()) + "}"
    return repr(given)


def _quoted(text: str) -> str:
    """TOML's basic strings are JSON's, but for the one control character that JSON lets stand."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def remark(text: str) -> list[str]:
    """Text as comment lines."""
    return textwrap.wrap(
        " ".join(text.split()), _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False
    )


def documented(section: type[Settings], name: str) -> list[str]:
    """The doc of a setting, as comment lines."""
    return remark(section.model_fields[name].description or "")


def chosen(section: type[Settings], name: str, given: Any) -> list[str]:
    """A setting with its doc and a value."""
    return [*documented(section, name), f"{key(name)} = {value(given)}"]


def offered(section: type[Settings], *names: str) -> list[str]:
    """Settings at their defaults, in comments, for the person to change."""
    lines: list[str] = []
    for name in names:
        default = section.model_fields[name].get_default(call_default_factory=True)
        lines += [*documented(section, name), f"# {key(name)} = {value(default)}"]
    return lines


def aligned(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Lines with a comment beside each, the comments one below another."""
    rows = list(pairs)
    width = max((len(left) for left, right in rows if right), default=0)
    return [f"{left:<{width}}   # {right}" if right else left for left, right in rows]
