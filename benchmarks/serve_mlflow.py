"""The same bundle behind `mlflow models serve`: the same users asked for, in turns, on the same core."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from benchmarks.harness import ROUNDS, Options, interleaved, say
from benchmarks.load import Outcome, Target, closed_loop, open_loop
from benchmarks.served import HOST, Served, free_port, serve
from shortlist.bundle.read import Bundle
from shortlist.core.files import whole_folder
from shortlist.export.mlflow_model import save_mlflow_model

REQUESTS = 300
"""Of a round, by each."""
_CONNECTIONS = 8


def beside_mlflow(bundle: Path, bodies: Sequence[bytes], options: Options, core: int) -> dict[str, Any]:
    """Rates of both, `ratio` ours over MLflow's, and latencies of both at half of MLflow's rate.

    Nothing where MLflow is not installed.
    """
    if importlib.util.find_spec("mlflow") is None:
        say("mlflow is not installed: the comparison with its server is left out")
        return {}
    count = 20 if options.quick else REQUESTS
    logs = options.folder("logs")
    with (
        serve(bundle, logs / "serve-beside.log", cores=[core]) as ours,
        served_by_mlflow(bundle, options, core) as theirs,
    ):
        asked = {
            "ours": (ours.target, [ours.target.post("/v1/recommend", body) for body in bodies]),
            "mlflow": (theirs.target, [theirs.target.post("/invocations", one) for one in invocations(bundle, bodies)]),
        }
        for given in asked.values():
            check(closed_loop(*given, count=20))
        turns = {name: partial(_rate, *given, count) for name, given in asked.items()}
        rounds = interleaved(turns, 2 if options.quick else ROUNDS)
        rate = rounds.median("mlflow") / 2
        latency = {name: open_loop(*given, rate, count / rate, seed=options.seed) for name, given in asked.items()}
    facts: dict[str, Any] = {
        f"{name}_{figure}": value
        for name in asked
        for figure, value in {"rate": round(rounds.median(name), 1), **_times(latency[name])}.items()
    }
    return {"mlflow": {"ratio": round(rounds.median("ours") / rounds.median("mlflow"), 2), **facts}}


def served_by_mlflow(bundle: Path, options: Options, core: int) -> Served:
    """MLflow's server of the bundle as a model, which is kept for the next run."""
    folder = options.folder("serve") / f"mlflow-{bundle.name}"
    if not folder.is_dir():
        with whole_folder(folder) as draft:
            save_mlflow_model(bundle, draft)
    return serve_model(folder, options.folder("logs") / "serve-mlflow.log", [core])


def serve_model(model: Path, log: Path, cores: Sequence[int] | None = None) -> Served:
    """`mlflow models serve` of an MLflow model, with this Python and one worker."""
    target = Target(HOST, free_port())
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model), "--host", HOST]
    command += ["--port", str(target.port), "--env-manager", "local", "--workers", "1"]
    return Served(command, target, log, "/ping", cores)


def invocations(bundle: Path, bodies: Sequence[bytes]) -> list[bytes]:
    """What MLflow's server is asked for the same lists."""
    user = Bundle.open(bundle, verify=False).recipe.schema_.user_column
    return [
        orjson.dumps({"dataframe_records": [{user: body["user_id"]}], "params": {"k": body["n"]}})
        for body in map(orjson.loads, bodies)
    ]


def check(found: Outcome) -> Outcome:
    """The same outcome; RuntimeError unless all was answered."""
    if found.errors:
        raise RuntimeError(f"not every request was answered: {dict(found.codes)}")
    return found


def _rate(target: Target, requests: Sequence[bytes], count: int) -> float:
    return check(closed_loop(target, requests, count, connections=_CONNECTIONS)).rate


def _times(outcome: Outcome) -> dict[str, float]:
    return {f"p{share}_ms": round(outcome.percentile(share), 2) for share in (50, 99)}
