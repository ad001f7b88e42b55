"""Running the application: one or several worker processes on one port."""

from __future__ import annotations

import contextlib
import errno
import http
import http.client
import json
import logging
import os
import shlex
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from shortlist.bundle.manifest import check_manifest
from shortlist.bundle.read import Bundle
from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import EnvironmentFault, UserError
from shortlist.core.progress import Reporter, Terminal
from shortlist.serving.app import create_app
from shortlist.serving.examples import Examples
from shortlist.state import open_state

BUNDLE_VARIABLE = "SHORTLIST_BUNDLE"
"""Environment variable that tells `application` which bundle to serve."""

STATE_VARIABLE = "SHORTLIST_STATE"
"""Environment variable with the address of the state; not set where there is none."""

_WAITING = 2048
"""Connections that may wait to be accepted."""
_HEALTH_S = 30
"""A worker that gives no sign of life for this long is replaced: longer than importing takes on a busy machine, but
no more, because a worker that dies while it is being asked is noticed only then."""
_LAST_ANSWERS_S = 10
"""How long requests that are being answered may take when the server is told to stop."""

_LOG_CONFIG: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(process)d %(levelname)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        name: {"handlers": ["stderr"], "level": "WARNING", "propagate": False} for name in ("shortlist", "uvicorn")
    },
}


def application() -> FastAPI:
    """The application for the bundle that `SHORTLIST_BUNDLE` names; each worker process makes its own.

    `SHORTLIST_STATE` is the address of its state; where it is not set there is none.

    It also serves under another ASGI server: `uvicorn --factory shortlist.serving.run:application`.
    """
    try:
        if BUNDLE_VARIABLE not in os.environ:
            raise EnvironmentFault(f"{BUNDLE_VARIABLE} is not set: it names the folder of the bundle to serve")
        address = os.environ.get(STATE_VARIABLE)
        state = None if address is None else open_state(address)
        return create_app(Recommender.load(os.environ[BUNDLE_VARIABLE], state=state))
    except UserError as error:
        logging.getLogger("shortlist.serving").critical("%s", error)
        raise SystemExit(STARTUP_FAILURE) from error


def run(
    bundle: str | Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    reporter: Reporter | None = None,
    state: str | None = None,
) -> None:
    """Serve the bundle until SIGTERM or SIGINT; requests that are being answered then are answered first.

    The bundle is verified here, before a port is taken, and again by every worker. Port 0 takes a free one. `state` is
    the address of what users do meanwhile, as `open_state` takes it; None: events are not kept.
    Raises BundleError, and EnvironmentFault when the port or the state cannot be had or the workers do not start.
    """
    if workers < 1:
        raise UserError(f"expected at least 1 worker process, found {workers}. Say for instance --workers 2")
    path = Path(bundle).absolute()
    check_manifest(path)
    if state is not None:
        open_state(state).close()
    taken = _listen_on(host, port)
    port = taken.getsockname()[1]
    os.environ[BUNDLE_VARIABLE] = str(path)
    _tell_workers(state)
    greeting = _greeting(path, f"http://{f'[{host}]' if ':' in host else host}:{port}", workers)
    config = uvicorn.Config(
        "shortlist.serving.run:application",
        factory=True,
        workers=workers,
        log_config=_LOG_CONFIG,
        access_log=False,
        backlog=_WAITING,
        lifespan="on",
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
        timeout_worker_healthcheck=_HEALTH_S,
    )
    with taken, _signals_that_return(), _announced((host, port), greeting, reporter or Terminal()):
        started = _several(config, taken) if workers > 1 else _one(config, taken)
    if not started:
        raise EnvironmentFault("the server did not start; the lines above say why")


def _tell_workers(state: str | None) -> None:
    os.environ.pop(STATE_VARIABLE, None)
    if state is not None:
        os.environ[STATE_VARIABLE] = state if "://" in state else str(Path(state).absolute())


def _one(config: uvicorn.Config, taken: socket.socket) -> bool:
    server = uvicorn.Server(config)
    with contextlib.suppress(SystemExit):
        server.run([taken])
    return server.started


def _several(config: uvicorn.Config, taken: socket.socket) -> bool:
    supervisor = Multiprocess(config, sockets=[taken])
    supervisor.run()
    return all(process.exitcode != STARTUP_FAILURE for process in supervisor.processes)


def _listen_on(host: str, port: int) -> socket.socket:
    """A listening socket, which every worker then shares."""
    if not 0 <= port < 2**16:
        raise EnvironmentFault(f"cannot listen on port {port}: ports are 0 to 65535. Choose another one with --port")
    taken: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        taken = socket.socket(family, kind, protocol)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        # Until a socket listens, Linux lets another process bind the same address.
        taken.listen(_WAITING)
    except OSError as error:
        if taken is not None:
            taken.close()
        raise EnvironmentFault(_address_text(host, port, error)) from error
    return taken


def _address_text(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} of {host} is taken by another process. "
            "Choose another one with --port, or --port 0 for any that is free"
        )
    return f"cannot listen on {host}:{port}: {error.strerror}. Choose another address with --host and --port"


@contextlib.contextmanager
def _signals_that_return() -> Iterator[None]:
    """uvicorn raises the signal that stopped it again at its end; here being told to stop is no failure."""
    stopping = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in stopping}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _greeting(path: Path, url: str, workers: int) -> str:
    bundle = Bundle.open(path, verify=False)
    examples = Examples.of(bundle)
    route, bodies = ("recommend", examples.recommend) if examples.recommend else ("rank", examples.rank)
    example = shlex.quote(json.dumps(next(iter(bodies.values()), {})))
    size = f"{len(bundle.items) - 1:,} items, {len(bundle.users) - 1:,} users"
    crew = "1 worker" if workers == 1 else f"{workers} workers"
    return (
        f"{url}  {bundle.manifest['name']}: {size}, {crew}; documentation: {url}/docs\n"
        f"curl {url}/v1/{route} -d {example}"
    )


@contextlib.contextmanager
def _announced(address: tuple[str, int], text: str, reporter: Reporter) -> Iterator[None]:
    """Say `text` once the server answers, so that whoever reads it may use it."""
    stopped = threading.Event()

    def watch() -> None:
        while not stopped.wait(0.1):
            if _is_ready(address):
                reporter.say("serve", text)
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        stopped.set()


def _is_ready(address: tuple[str, int]) -> bool:
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=5)) as connection:
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
