"""What the Python API refuses of its arguments, as HTTP does by the types of its bodies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from numbers import Integral, Real
from typing import Any

from shortlist.core.errors import RequestError

_MOST_SHOWN = 80
"""Characters of a refused value."""
# Python's own types stand first: an instance of theirs is told tenfold as fast as one of numpy's.
_INTEGER = (int, Integral)
_USER = (str, int, Real)


def check_k(k: Any) -> None:
    """RequestError for what is no number of items."""
    if isinstance(k, bool) or not isinstance(k, Integral) or int(k) < 1:
        raise RequestError(f"k: expected an integer of at least 1, found {k!r}")


def check_list(given: Any, what: str) -> None:
    """RequestError for what is no list of ids."""
    if not _is_list(given):
        raise RequestError(f"`{what}`: expected a list of ids{_example(given, '[', ']')}, found {shown(given)}")


def check_lists(lists: Any, requests: int, what: str) -> None:
    """RequestError for what is not a list for each of the requests."""
    for given in lists if _is_list(lists) else (lists,):
        if given is lists or not _is_list(given):
            example = _example(given, "[[", "]]")
            raise RequestError(f"`{what}`: expected a list for each request{example}, found {shown(given)}")
    if len(lists) != requests:
        raise RequestError(f"`{what}` has {len(lists)} lists for {requests} requests")


def check_users(users: Any) -> None:
    """RequestError for what is no list of ids and of None, which is somebody new.

    The look-up takes numbers and text for each other: a data frame has integers as floats where some are missing.
    """
    check_list(users, "users")
    for place, user in enumerate(users):
        if user is not None and (isinstance(user, bool) or not isinstance(user, _USER)):
            raise RequestError(f"users[{place}]: expected an id, or None for somebody new, found {shown(user)}")


def check_items(lists: Iterable[Iterable[Any]], kind: str, what: str, or_else: str = "") -> None:
    """RequestError for the first entry of the lists that is no id of `kind`: `int` or `text`.

    or_else: what else an entry may be, for the message.
    """
    wanted = _INTEGER if kind == "int" else str
    for u, items in enumerate(lists):
        for place, item in enumerate(items):
            if isinstance(item, bool) or not isinstance(item, wanted):
                named = "an integer" if kind == "int" else "text"
                expected = f"an item's id, which is {named} in this bundle{or_else}"
                raise RequestError(f"{what}[{u}][{place}]: expected {expected}, found {shown(item)}")


def shown(value: Any) -> str:
    """A refused value in few words."""
    text = f"the text {value!r}" if isinstance(value, str) else repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def _is_list(given: Any) -> bool:
    """Text is a sequence too, of letters, and an object one of its keys: each would be an unknown id."""
    return isinstance(given, Sized) and isinstance(given, Iterable) and not isinstance(given, str | bytes | Mapping)


def _example(given: Any, opened: str, closed: str) -> str:
    return f", such as {opened}{given!r}{closed}" if isinstance(given, int | str) else ""
