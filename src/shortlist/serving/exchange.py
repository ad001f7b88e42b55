"""One request on its way through the server: what metrics and logs say of it afterwards."""

from __future__ import annotations

import math
import re
import time
import uuid
from dataclasses import dataclass, field

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Scope

from shortlist.funnel.stopwatch import Stopwatch
from shortlist.serving.answers import BundleLabel
from shortlist.serving.refusal import Refusal

REQUEST_ID, TIME_BUDGET = "X-Request-ID", "X-Time-Budget-Ms"
"""Headers of a request."""
TIMING = "Server-Timing"
"""Header of an answer: how long each stage took, as browsers show it: https://www.w3.org/TR/server-timing/"""

_PLAIN_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


@dataclass(slots=True)
class Exchange:
    """A request and its answer."""

    request_id: str
    began: float = field(default_factory=time.perf_counter)
    """In seconds of `time.perf_counter`."""
    watch: Stopwatch = field(default_factory=Stopwatch)
    user_id: int | str | None = None
    items: int | None = None
    """How many were answered."""
    bundle: BundleLabel | None = None
    variant: str | None = None
    propensity: float | None = None

    @property
    def timing(self) -> str:
        """The stages in milliseconds, as the header has them."""
        return ", ".join(f"{stage};dur={1000 * seconds:.3f}" for stage, seconds in self.watch.took_s.items())

    @classmethod
    def of(cls, request: Request) -> Exchange:
        """The exchange that the request belongs to: the outermost layer began it."""
        found: Exchange = request.scope["shortlist.exchange"]
        return found

    @classmethod
    def begin(cls, scope: Scope) -> Exchange:
        """A new one, under the id that the client gives if that can stand in a log as it is."""
        given = Headers(scope=scope).get(REQUEST_ID, "")
        exchange = cls(given if _PLAIN_ID.fullmatch(given) else uuid.uuid4().hex)
        scope["shortlist.exchange"] = exchange
        return exchange


def budget_s(request: Request, most_ms: float | None) -> float:
    """How long after the request has come its answer is due: the client's budget, at most the server's."""
    given = request.headers.get(TIME_BUDGET)
    most = math.inf if most_ms is None else most_ms
    if given is None:
        return most / 1000
    try:
        budget = float(given)
    except ValueError:
        budget = math.nan
    if not 0 < budget < math.inf:
        raise Refusal(f"{TIME_BUDGET}: expected milliseconds above 0", TIME_BUDGET, given, "such as 50")
    return min(budget, most) / 1000
