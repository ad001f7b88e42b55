"""The examination behind `shortlist doctor`. Which packages there should be is read from the package's own metadata."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from shortlist.core.threads import cpu_threads

State = Literal["good", "absent", "bad"]

_GIB = 2**30
_LEAST_MEMORY = 2 * _GIB
_LEAST_DISK = 1 * _GIB
_PURPOSE = {
    "": "for everything",
    "tables": "to read tables: `init`, `prepare`",
    "train": "to train and export: `run`, `train`, `demo`",
    "serve": "to answer over HTTP: `serve`",
    "tune": "to search better settings: `tune`",
    "als": "for the model `als`",
    "faiss": "for approximate search in memory",
    "lancedb": "for approximate search with vectors on disk or in an object store",
    "remote": "for shards on S3 or another file system",
    "redis": "for what users do on a Redis server: `serve --state redis://...`",
    "mlflow": "to record runs, and for MLflow models: `run`, `train`, `evaluate`",
    "spark": 'to prepare tables and to score in batch on Spark: `compute.engine = "spark"`, `recommend --engine spark`',
}
"""Extras that people choose between; the others are bundles of these, or for developing Shortlist itself."""
_MAIN_JOB = ("", "tables", "train")
_LOADED = ("duckdb", "ibis", "onnxruntime", "pyarrow", "torch")
"""Modules with native parts, which may be installed and yet not load."""
_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*([^;]*?)\s*(?:;\s*(.*))?$")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `absent` is worth knowing, `bad` keeps the main job from running."""

    group: str
    name: str
    state: State
    text: str

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def examine() -> list[Finding]:
    """Look at everything; takes some seconds, as packages are loaded to see whether they work."""
    return [*_machine(), *_packages(), *_loaded()]


def _machine() -> Iterator[Finding]:
    group = "machine"
    cores = cpu_threads(None)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = shutil.disk_usage(Path.cwd()).free
    writable = os.access(Path.cwd(), os.W_OK)
    yield Finding(group, "shortlist", "good", importlib.metadata.version("shortlist"))
    yield Finding(group, "python", "good", f"{platform.python_version()} on {platform.platform(terse=True)}")
    yield Finding(group, "cores", "good", f"{cores}; set compute.threads to use fewer{_thread_variables()}")
    yield _at_least(group, "memory", memory, _LEAST_MEMORY)
    yield _at_least(group, "disk here", free, _LEAST_DISK)
    yield Finding(
        group, "folder", "good" if writable else "bad", f"{Path.cwd()} {'may' if writable else 'may not'} be written"
    )
    yield _gpu(group)
    yield _java(group)


def _thread_variables() -> str:
    found = [f"{name}={value}" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if (value := os.environ.get(name))]
    return f" ({', '.join(found)} is set)" if found else ""


def _at_least(group: str, name: str, found: int, least: int) -> Finding:
    text = f"{found / _GIB:.1f} GiB"
    if found < least:
        return Finding(group, name, "bad", f"{text}; at least {least / _GIB:.0f} GiB is needed")
    return Finding(group, name, "good", text)


def _gpu(group: str) -> Finding:
    try:
        torch = importlib.import_module("torch")
    except Exception:
        return Finding(group, "gpu", "absent", "not looked for: torch is not there, or does not load")
    if not torch.cuda.is_available():
        return Finding(group, "gpu", "absent", f"none that torch {torch.__version__} can use; models train on the CPU")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding(group, "gpu", "good", f"{', '.join(names)} (CUDA {torch.version.cuda})")


def _java(group: str) -> Finding:
    java = shutil.which("java")
    if java is None:
        return Finding(group, "java", "absent", "none; only Spark needs it")
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    return Finding(group, "java", "good", ((answer.stderr or answer.stdout).splitlines() or [java])[0])


def _packages() -> Iterator[Finding]:
    """Every requirement of the extras that people choose between, as the metadata of the package lists them."""
    requirements = [_parsed(text) for text in importlib.metadata.requires("shortlist") or []]
    listed = {"shortlist"}
    for extra, purpose in _PURPOSE.items():
        for name, versions, of in requirements:
            if of == extra and name not in listed:
                listed.add(name)
                label = f"packages {purpose}" + (f"   pip install 'shortlist[{extra}]'" if extra else "")
                yield _package(label, name, versions, needed=extra in _MAIN_JOB)


def _parsed(text: str) -> tuple[str, str, str]:
    """Name, versions and extra of one requirement."""
    found = _REQUIREMENT.match(text)
    assert found is not None
    extra = _EXTRA.search(found[3] or "")
    return found[1], found[2], extra[1] if extra else ""


def _package(group: str, name: str, versions: str, needed: bool) -> Finding:
    try:
        return Finding(group, name, "good", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Finding(group, name, "bad" if needed else "absent", f"not installed; wanted {versions or 'any version'}")


def _loaded() -> Iterator[Finding]:
    """What is installed and fails to load; silent about the rest."""
    for module in _LOADED:
        try:
            importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        except Exception as error:
            yield Finding("does not load", module, "bad", f"{type(error).__name__}: {error}")
