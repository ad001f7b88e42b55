"""What is answered when something goes wrong that no route foresaw."""

from __future__ import annotations

import logging

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from shortlist.core.suggest import did_you_mean
from shortlist.serving.refusal import Problem, error_response
from shortlist.state import StateFault

_log = logging.getLogger("shortlist.serving")


def fault(request: Request, mark: str) -> Response:
    """The answer to an error that nobody foresaw: its id leads to the traceback in the log."""
    _log.exception("error %s in %s %s", mark, request.method, request.url.path)
    message = f"the server failed to answer; its log has the details under the id {mark}"
    return error_response(500, Problem(message, request.url.path, id=mark))


def state_failed(request: Request, failed: StateFault) -> Response:
    """The answer where the state cannot be read or written: an answer that forgets would be a wrong one."""
    _log.error("%s", failed)
    return error_response(503, Problem(str(failed), request.url.path), {"Retry-After": "1"})


async def no_such_route(request: Request, error: Exception) -> Response:
    """404 and 405 in the form of every other error."""
    assert isinstance(error, HTTPException)
    known = [route.path for route in request.app.routes]
    asked = request.url.path
    hint = did_you_mean(asked, known) if error.status_code == 404 else f" {request.method} is not what it takes."
    problem = Problem(f"{error.detail}: {asked}.{hint}", "path", f"{request.method} {asked}", ", ".join(known))
    response = error_response(error.status_code, problem)
    response.headers.update(error.headers or {})
    return response
