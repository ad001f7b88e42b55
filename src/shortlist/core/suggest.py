"""The "did you mean" of every error that names an unknown thing."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean `x`?` for the nearest known name, else a list of what there is; starts with a space."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f" Did you mean `{close[0]}`?"
    return f" There is: {', '.join(names)}." if names else ""
