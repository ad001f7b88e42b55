"""How text looks: addresses, prose, several values in one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_ADDRESS = re.compile(r"^(?:[a-z][a-z0-9+.-]*://|www\.|[\w.+-]+@[\w-]+\.)", re.IGNORECASE)
_SEPARATORS = ("|", ";", ",")
_LEAST_SHARE = 0.1
"""A separator stands in at least this share of the rows."""
_LEAST_RETURNS = 3
"""The single values come back this many times on average; parts of prose do not."""
_LONGEST_VALUE = 40


@dataclass(frozen=True, slots=True)
class TextLook:
    """A sample of text values."""

    separator: str | None = None
    """What parts several values in one text: `|`, `;` or `,`."""
    values: int = 0
    """Different single values between separators."""
    words: float = 0.0
    """Mean number of words."""
    addresses: float = 0.0
    """Share of web and mail addresses."""


def look_at(texts: Sequence[str]) -> TextLook:
    """Look at a sample of the values of a column."""
    if not texts:
        return TextLook()
    found = next((s for s in _SEPARATORS if _parts_values(texts, s)), None)
    return TextLook(
        separator=found,
        values=len(_single_values(texts, found)) if found else 0,
        words=sum(len(text.split()) for text in texts) / len(texts),
        addresses=sum(bool(_ADDRESS.match(text)) for text in texts) / len(texts),
    )


def _parts_values(texts: Sequence[str], separator: str) -> bool:
    """Whether the separator stands between values of some small set, rather than in prose or numbers."""
    if sum(separator in text for text in texts) < _LEAST_SHARE * len(texts):
        return False
    values = _single_values(texts, separator)
    short = all(len(value) <= _LONGEST_VALUE for value in values)
    wordy = any(character.isalpha() for value in values for character in value)
    return short and wordy and values.total() >= _LEAST_RETURNS * len(values)


def _single_values(texts: Sequence[str], separator: str) -> Counter[str]:
    parts = (part.strip() for text in texts for part in text.split(separator))
    return Counter(part for part in parts if part)
