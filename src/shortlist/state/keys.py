"""Keys of users and items, and what tells one event of a user from another."""

from __future__ import annotations

import hashlib

import orjson

from shortlist.state.base import Id, StateEvent

_LONGEST_KEY = 500
"""LMDB takes keys of 511 bytes; longer ones are hashed, and the id itself lies in the value."""
_BIAS = 2**63


def key_of(entity: Id) -> bytes:
    """The key of an id; `1` and `"1"` have different ones. Integers lie in their order."""
    if isinstance(entity, int):
        return b"i" + (entity + _BIAS).to_bytes(8, "big")
    text = entity.encode()
    if len(text) < _LONGEST_KEY:
        return b"t" + text
    return b"h" + hashlib.blake2b(text, digest_size=32).digest()


def counter_key(item: Id, kind: str | None) -> bytes:
    """The key of an item's counter of one type: all of an item begin with `counter_prefix`."""
    name = b"" if kind is None else b"t" + kind.encode()
    return counter_prefix(item) + hashlib.blake2b(name, digest_size=16).digest()


def counter_prefix(item: Id) -> bytes:
    """16 bytes by which the counters of an item are found."""
    return hashlib.blake2b(key_of(item), digest_size=16).digest()


def identity_of(event: StateEvent) -> int:
    """64 bits that tell this event from the others of its user: a thousand of them meet by chance once in 10^13."""
    if event.identity is not None:
        return event.identity
    if event.event_id is not None:
        told = b"e" + event.event_id.encode()
    else:
        told = b"c" + orjson.dumps([event.item, event.type, event.time])
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "little", signed=True)
