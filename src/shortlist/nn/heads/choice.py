"""Which head, by its `kind`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from shortlist.core.settings import Settings
from shortlist.nn.heads.base import Head
from shortlist.nn.heads.esmm import ESMM, ESMMSettings
from shortlist.nn.heads.mmoe import MMoE, MMoESettings
from shortlist.nn.heads.ple import PLE, PLESettings
from shortlist.nn.heads.shared_bottom import SharedBottom, SharedBottomSettings
from shortlist.schema import Target
from shortlist.schema.columns import ANY_EVENT


def _short_form(value: Any) -> Any:
    """`tasks = "mmoe"` is short for `tasks = {kind = "mmoe"}`."""
    return {"kind": value} if isinstance(value, str) else value


TaskSettings = Annotated[
    Annotated[SharedBottomSettings | MMoESettings | PLESettings | ESMMSettings, Field(discriminator="kind")],
    BeforeValidator(_short_form),
]


class HeadSettings(Settings):
    """Settings of models whose head may be any of them."""

    tasks: TaskSettings = SharedBottomSettings()
    """How several targets share the network."""


def build_head(width: int, targets: Sequence[Target], settings: TaskSettings) -> Head:
    """The head that the settings ask for; a log without targets has one output."""
    targets = targets or (ANY_EVENT,)
    match settings:
        case MMoESettings():
            return MMoE(width, targets, settings)
        case PLESettings():
            return PLE(width, targets, settings)
        case ESMMSettings():
            return ESMM(width, targets, settings)
        case _:
            return SharedBottom(width, targets, settings)
