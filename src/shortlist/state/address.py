"""Which state an address means: a folder for LMDB, or the URL of a Redis server."""

from __future__ import annotations

from pathlib import Path

from shortlist.core.errors import UserError
from shortlist.core.extras import need
from shortlist.state.base import State

_REDIS = ("redis://", "rediss://", "unix://")


def open_state(address: str | Path, create: bool = True) -> State:
    """The state at `address`: a folder, or `redis://HOST:PORT/NUMBER`.

    `create` makes a folder that is not there; without it that is an error. UserError when it cannot be had.
    """
    need("orjson", "serve", "a state")
    text = str(address)
    if text.startswith(_REDIS):
        need("redis", "redis", f"the state at {text.partition('://')[0]}://")
        from shortlist.state.redis_state import RedisState

        return RedisState(text)
    if "://" in text:
        raise UserError(
            f"expected a folder or redis://HOST:PORT/NUMBER as the state's address, found {text!r}. "
            "Several processes of one machine share a folder, several machines a Redis server"
        )
    need("lmdb", "serve", "a state in a folder")
    from shortlist.state.lmdb_state import LmdbState

    return LmdbState(Path(text), create)
