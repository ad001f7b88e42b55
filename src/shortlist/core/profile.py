"""Where the time goes: spans of the work, added up by name.

    with recording() as profile:
        with span("load"):
            ...
    profile.seconds["load"]

A span inside another is taken out of the outer one, so that the seconds add up to the whole. Nothing is recorded
outside of `recording`, and only of the thread that began it: work in the background costs time only when it is waited
for, and then the wait is the span.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Profile:
    """Seconds by the name of the span."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    thread: int = field(default_factory=threading.get_ident)
    inner: list[float] = field(default_factory=list)
    """For each open span the seconds that spans inside it have taken."""


_recording: Profile | None = None
_NOTHING = contextlib.nullcontext()


@contextlib.contextmanager
def recording() -> Iterator[Profile]:
    """Record the spans of this thread until the block ends."""
    global _recording  # noqa: PLW0603  # spans stand deep in the work, and none of it should carry a profile along
    outer, _recording = _recording, Profile()
    try:
        yield _recording
    finally:
        _recording = outer


def is_recording() -> bool:
    """Whether spans of this thread are recorded now."""
    return _recording is not None and threading.get_ident() == _recording.thread


def span(name: str) -> contextlib.AbstractContextManager[None]:
    """Count the block's time under `name`, without the spans inside it."""
    return _NOTHING if _recording is None else _span(_recording, name)


def record(name: str, seconds: float) -> None:
    """Count seconds that another process has measured, while this one waited for it."""
    if _recording is not None and is_recording():
        _recording.seconds[name] += seconds


@contextlib.contextmanager
def _span(profile: Profile, name: str) -> Iterator[None]:
    if threading.get_ident() != profile.thread:
        yield
        return
    started = time.perf_counter()
    profile.inner.append(0.0)
    try:
        yield
    finally:
        taken = time.perf_counter() - started
        profile.seconds[name] += taken - profile.inner.pop()
        if profile.inner:
            profile.inner[-1] += taken
