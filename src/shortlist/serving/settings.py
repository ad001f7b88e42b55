"""How a server runs: what its flags say, handed to every worker process through the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

VARIABLE = "SHORTLIST_SERVE"
"""Environment variable with the settings as JSON; where it is not set, all of them are the defaults."""

MAIN = "main"
"""The variant of a server that compares none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One bundle of an experiment."""

    name: str
    bundle: str
    """Its folder."""
    share: float
    """Which part of the users it answers, relative to the other variants' shares."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeSettings:
    """What a server is told when it starts, beside its bundle and its address."""

    state: str | None = None
    """Address of what users do meanwhile, as `open_state` takes it; None: events are not kept."""
    queue: int = 64
    """Requests that may wait in one worker process; more are refused at once."""
    budget_ms: float | None = None
    """Time that an answer may take; None for as long as it does."""
    api_key_file: str | None = None
    """File with one API key a line; without it, and without SHORTLIST_API_KEY, nobody needs one."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may call from a browser."""
    log_level: str = "warning"
    """Least level that is logged; requests are logged at `info`."""
    log_users: bool = False
    """Whether a request's line says its user id."""
    experiment: str = "default"
    """Name of the experiment: another one draws other users for each variant."""
    variants: tuple[Variant, ...] = ()
    """Bundles that answer beside each other; none: the one bundle answers everybody."""
    follow: bool = False
    """Whether another bundle is served as soon as a link or an alias leads to one."""
    run_folder: str | None = None
    """Where worker processes learn of a new bundle; None: there is no other worker and no roll-out."""

    @classmethod
    def from_environment(cls) -> Self:
        """What `to_environment` left there."""
        values: dict[str, Any] = json.loads(os.environ.get(VARIABLE, "{}"))
        variants = tuple(Variant(**variant) for variant in values.pop("variants", ()))
        origins = tuple(values.pop("origins", ()))
        return cls(**values, origins=origins, variants=variants)

    def to_environment(self) -> Mapping[str, str]:
        """The variable that tells worker processes."""
        return {VARIABLE: json.dumps(asdict(self))}
