"""What a run is: its parameters, and the tags that say of which code, data and machine it comes."""

from __future__ import annotations

import getpass
import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from shortlist.core.files import fingerprint
from shortlist.core.threads import cpu_threads
from shortlist.core.version import __version__
from shortlist.models.catalogue import config_of
from shortlist.pipeline.watch import Watched
from shortlist.recipe.ranking import Ranking
from shortlist.recipe.retrieval import Retrieval
from shortlist.recipe.sections import Compute, Recipe, sources_of
from shortlist.tracking.figures import named
from shortlist.training.device import choose_device

_LONGEST_VALUE = 6000


def identity(run: Watched) -> str:
    """Fingerprint of the recipe and of its tables; how it is recorded is no part of it."""
    recipe = run.recipe.model_dump(mode="json", by_alias=True, exclude={"tracking", "tune"})
    return fingerprint([recipe, run.fingerprint_of("prepare")])


def parameters(recipe: Recipe) -> dict[str, str]:
    """Settings by their dotted names: those that are not the defaults, and all of the models."""
    changed = recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"tracking"})
    values = dict(_flat(changed))
    models: dict[str, Retrieval | Ranking] = {name.replace("/", "."): s for name, s in sources_of(recipe).items()}
    if recipe.ranking is not None:
        models["ranking"] = recipe.ranking
    for section, settings in models.items():
        values[f"{section}.model.name"] = settings.model.name
        values.update(_flat(config_of(settings).model_dump(mode="json"), f"{section}.model."))
    values["seed"] = recipe.seed
    return {named(name): _text(value)[:_LONGEST_VALUE] for name, value in values.items()}


def tags(run: Watched, recipe_file: Path | None) -> dict[str, str]:
    """By the names that MLflow's pages know where it has such, else under `shortlist.` and `machine.`."""
    found = {
        "shortlist.version": __version__,
        "shortlist.recipe": identity(run),
        "shortlist.seed": str(run.recipe.seed),
        "shortlist.folder": str(run.folder.resolve()),
        "machine.cpu": _cpu(),
        "machine.threads": str(cpu_threads(run.recipe.compute.threads)),
        "machine.device": _device(run.recipe.compute),
        "mlflow.user": _user(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": "shortlist" if recipe_file is None else str(recipe_file.resolve()),
    }
    commit = None if recipe_file is None else _commit(recipe_file.resolve().parent)
    return {**found, "mlflow.source.git.commit": commit} if commit else found


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cpu() -> str:
    """The processor's name, which Linux tells in a file of its own."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def _device(compute: Compute) -> str:
    """`cpu`, or the name of the GPU; what Spark's executors have is not known here."""
    if compute.launcher == "spark":
        return f"{compute.device}, on Spark"
    device = choose_device(compute)
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _commit(folder: Path) -> str | None:
    """The commit that a folder is checked out at; None where it is none of git's, or git is not there."""
    git = shutil.which("git")
    if git is None:
        return None
    asked = subprocess.run([git, "-C", folder, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() or None if asked.returncode == 0 else None
