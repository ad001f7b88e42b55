"""API keys: who may call anything but the health probes and the page."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path
from typing import Self

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from shortlist.core.errors import UserError
from shortlist.serving.refusal import Refusal

VARIABLE = "SHORTLIST_API_KEY"
"""Environment variable with one key."""

_OPEN = ("/health/live", "/health/ready", "/")
_OPEN_BELOW = "/page/"
"""Parts of the page: nothing of the bundle is in them, and it is the page that asks for the key."""
_SHORTEST = 16
"""Characters of a key that cannot be guessed in a day."""


class ApiKeys:
    """The keys that are known; none: nobody needs one."""

    def __init__(self, keys: frozenset[str]) -> None:
        if short := [key for key in keys if len(key) < _SHORTEST]:
            raise UserError(
                f"an API key has at least {_SHORTEST} characters, found one of {len(short[0])}. "
                "Make one with: openssl rand -hex 32"
            )
        self._digests = [_digest(key.encode()) for key in sorted(keys)]

    @classmethod
    def load(cls, path: str | Path | None) -> Self:
        """The keys in a file, one a line, and that in SHORTLIST_API_KEY; UserError where the file has none."""
        keys = {os.environ[VARIABLE]} if os.environ.get(VARIABLE) else set()
        if path is not None:
            try:
                lines = Path(path).read_text(encoding="utf-8").split()
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(f"cannot read the API keys in {path}: {error}") from error
            if not lines:
                raise UserError(f"{path} has no API key: expected one a line. Make one with: openssl rand -hex 32")
            keys.update(lines)
        return cls(frozenset(keys))

    def __bool__(self) -> bool:
        return bool(self._digests)

    def admit(self, given: bytes) -> bool:
        """Whether a key is known; it takes the same time whichever it resembles."""
        digest = _digest(given)
        return sum([hmac.compare_digest(digest, known) for known in self._digests]) > 0


class KeyGuard:
    """ASGI middleware: everything but the probes and the page answers 401 without a key."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it through."""
        if scope["type"] != "http" or _is_open(scope["path"]) or self._is_admitted(scope):
            await self.app(scope, receive, send)
            return
        refusal = Refusal(
            "no API key, or one that is not known: expected the header `Authorization: Bearer KEY`",
            "Authorization",
            expected="Bearer KEY",
            status=401,
            headers={"WWW-Authenticate": "Bearer"},
        )
        await refusal.response()(scope, receive, send)

    def _is_admitted(self, scope: Scope) -> bool:
        scheme, _, key = Headers(scope=scope).get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.keys.admit(key.strip().encode())


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_OPEN_BELOW)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
