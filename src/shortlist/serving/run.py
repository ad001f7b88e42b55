"""Running the application: one or several worker processes on one port."""

from __future__ import annotations

import contextlib
import http
import http.client
import json
import logging
import os
import shlex
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from threadpoolctl import threadpool_limits
from uvicorn.config import STARTUP_FAILURE

from shortlist.bundle.read import Bundle
from shortlist.bundle.recommender import Recommender
from shortlist.core.errors import EnvironmentFault, UserError
from shortlist.core.progress import Reporter, Terminal
from shortlist.serving.app import application_of, create_app
from shortlist.serving.crew import Crew
from shortlist.serving.examples import Examples
from shortlist.serving.follow import Follower
from shortlist.serving.keys import ApiKeys
from shortlist.serving.listen import WAITING, listen_on
from shortlist.serving.loading import Loader
from shortlist.serving.logs import log_config
from shortlist.serving.metrics import FOLDER_VARIABLE
from shortlist.serving.orders import Placed, Report, RunFolder
from shortlist.serving.rollout import Rollout
from shortlist.serving.settings import MAIN, ServeSettings
from shortlist.state import State, open_state

BUNDLE_VARIABLE = "SHORTLIST_BUNDLE"
"""Environment variable that tells `application` which bundle to serve."""

_HEALTH_S = 30
"""A worker that gives no sign of life for this long is replaced: longer than importing takes on a busy machine."""
_LAST_ANSWERS_S = 10
"""How long requests that are being answered may take when the server is told to stop."""

_DEFAULTS = ServeSettings()


def application() -> FastAPI:
    """The application for the bundle that `SHORTLIST_BUNDLE` names; each worker process makes its own.

    It also serves under another ASGI server: `uvicorn --factory shortlist.serving.run:application`. `SHORTLIST_SERVE`
    then has the rest of the settings as JSON, such as `{"state": "/var/lib/shop"}`.
    """
    # For the rest of the process. Left alone BLAS has a thread for every core, in each of the workers.
    threadpool_limits(1, "blas")
    try:
        settings = ServeSettings.from_environment()
        state = None if settings.state is None else open_state(settings.state)
        if settings.run_folder is not None:
            return _following(RunFolder(settings.run_folder), settings, state)
        if BUNDLE_VARIABLE not in os.environ:
            raise EnvironmentFault(f"{BUNDLE_VARIABLE} is not set: it names the folder of the bundle to serve")
        return create_app(Recommender.load(os.environ[BUNDLE_VARIABLE], state=state), settings)
    except UserError as error:
        logging.getLogger("shortlist.serving").critical("%s", error)
        raise SystemExit(STARTUP_FAILURE) from error


def _following(folder: RunFolder, settings: ServeSettings, state: State | None) -> FastAPI:
    """The application of a process that does what the run's folder says."""
    # Before the order is read: who gives one from now on knows of this process and waits for it.
    folder.report(Report(-1))
    order = folder.read()
    assert order is not None
    loader = Loader(settings, state)
    lineup, report = loader.first(order)
    return application_of(lineup, settings, lambda live: Rollout(live, loader, folder, report))


def run(
    bundle: str | Path | None,
    host: str = "127.0.0.1",
    port: int = 8000,
    workers: int = 1,
    reporter: Reporter | None = None,
    settings: ServeSettings = _DEFAULTS,
) -> None:
    """Serve the bundle until SIGTERM or SIGINT; requests that are being answered then are answered first.

    bundle: its folder, a link to it, or `models:/NAME@ALIAS`; None where `settings.variants` name several. It is
    verified here, before a port is taken, and again by every worker. SIGHUP has every worker load what lies there by
    then. Port 0 takes a free one.

    Raises BundleError, and EnvironmentFault when the port or the state cannot be had or the workers do not start.
    """
    if workers < 1:
        raise UserError(f"expected at least 1 worker process, found {workers}. Say for instance --workers 2")
    addresses = {variant.name: variant.bundle for variant in settings.variants} or {MAIN: str(bundle)}
    first = {variant: Placed.at(address, hashes=True) for variant, address in addresses.items()}
    ApiKeys.load(settings.api_key_file)
    if settings.state is not None:
        open_state(settings.state).close()
    taken = listen_on(host, port)
    port = taken.getsockname()[1]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    greeting = _greeting(next(iter(first.values())), url, workers)
    config = uvicorn.Config(
        "shortlist.serving.run:application",
        factory=True,
        workers=workers,
        log_config=log_config(settings.log_level),
        access_log=False,
        backlog=WAITING,
        lifespan="on",
        timeout_graceful_shutdown=_LAST_ANSWERS_S,
        timeout_worker_healthcheck=_HEALTH_S,
    )
    with (
        taken,
        _run_folder() as folder,
        _signals_that_return(),
        _announced((host, port), greeting, reporter or Terminal()),
    ):
        follower = Follower(RunFolder(folder), first)
        follower.order_first()
        with _watching(follower, settings.follow), _environment(settings, folder, workers):
            started = _several(config, taken, follower, folder) if workers > 1 else _one(config, taken)
    if not started:
        raise EnvironmentFault("the server did not start; the lines above say why")


def _one(config: uvicorn.Config, taken: socket.socket) -> bool:
    server = uvicorn.Server(config)
    with contextlib.suppress(SystemExit):
        server.run([taken])
    return server.started


@contextlib.contextmanager
def _watching(follower: Follower, by_itself: bool) -> Iterator[None]:
    """Orders are given in a thread of the parent process, or of the only one."""
    threading.Thread(target=follower.watch, args=(by_itself,), daemon=True).start()
    before = signal.signal(signal.SIGHUP, lambda *_: follower.ask())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
        follower.stop()


def _several(config: uvicorn.Config, taken: socket.socket, follower: Follower, folder: Path) -> bool:
    crew = Crew(config, taken, follower, RunFolder(folder))
    crew.run()
    return not crew.has_failed


@contextlib.contextmanager
def _environment(settings: ServeSettings, folder: Path, workers: int) -> Iterator[None]:
    """What worker processes are told; a later server of this process is told something else."""
    values = dict(replace(settings, run_folder=str(folder)).to_environment())
    if workers > 1:
        counters = folder / "metrics"
        counters.mkdir()
        values[FOLDER_VARIABLE] = str(counters)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _run_folder() -> Iterator[Path]:
    """What the processes tell each other lies in a folder that is there as long as they are."""
    with tempfile.TemporaryDirectory(prefix="shortlist-serve-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


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


def _greeting(placed: Placed, url: str, workers: int) -> str:
    bundle = Bundle.open(placed.path, verify=False)
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
