"""From a filter's text to its words, numbers, texts and signs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shortlist.funnel.filters.syntax import refused

KEYWORDS = frozenset({"and", "or", "not", "in", "has", "is", "missing", "true", "false"})
"""A column of such a name is written in backquotes, as is one with other characters than letters, digits and _."""

_TOKEN = re.compile(
    r"""\s* (?: (?P<number> -? (?: [0-9]+ (?: \.[0-9]* )? | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? )
              | (?P<text> " (?: [^"\\] | \\. )* " | ' (?: [^'\\] | \\. )* ' )
              | (?P<name> ` [^`]+ ` )
              | (?P<word> [^\W\d]\w* )
              | (?P<sign> <= | >= | != | [=<>(),] )
              | (?P<end> $ ) )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One of them."""

    kind: str
    """`number`, `text`, `name` (a column), `keyword`, `sign` or `end`."""
    text: str
    """Without quotes; keywords in small letters."""
    at: int

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else f"`{self.text}`"


def tokens(text: str) -> list[Token]:
    """All of them, the end among them. RequestError at a character that begins none."""
    found: list[Token] = []
    at = 0
    while not found or found[-1].kind != "end":
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            unclosed = " that nothing closes" if text[at] in "\"'`" else ""
            raise refused(
                text, at, f"expected a column, a value or a sign such as = or <, found `{text[at]}`{unclosed}"
            )
        assert match.lastgroup is not None
        found.append(_token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    return found


def _token(kind: str, text: str, at: int) -> Token:
    if kind == "word":
        small = text.lower()
        return Token("keyword", small, at) if small in KEYWORDS else Token("name", text, at)
    if kind == "name":
        return Token("name", text[1:-1], at)
    if kind == "text":
        return Token("text", re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL), at)
    return Token(kind, text, at)
