"""The garbage collector leaves alone what a server keeps."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
from fastapi import FastAPI

from shortlist.bundle.recommender import Recommender
from shortlist.serving import create_app
from shortlist.serving.pauses import set_aside, without_pauses


class _Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_what_is_there_is_not_looked_at_and_garbage_is_gone() -> None:
    garbage = weakref.ref(_Cycle())
    kept = _Cycle()
    with without_pauses():
        assert garbage() is None
        assert gc.get_freeze_count() > 1000
        assert not any(found is kept for found in gc.get_objects())
    assert gc.get_freeze_count() == 0
    assert any(found is kept for found in gc.get_objects())


def test_what_was_let_go_of_since_is_found_when_the_rest_is_set_aside_again() -> None:
    old = _Cycle()
    with without_pauses():
        seen = weakref.ref(old)
        del old
        gc.collect()
        assert seen() is not None
        set_aside()
        assert seen() is None


def test_a_server_that_is_ready_has_set_its_models_aside(
    shop: Recommender, serve: Callable[[FastAPI], AbstractContextManager[httpx.Client]]
) -> None:
    with serve(create_app(shop)) as client:
        assert client.get("/health/ready").status_code == 200
        assert gc.get_freeze_count() > 1000
    assert gc.get_freeze_count() == 0
