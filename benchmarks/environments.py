"""Environments of the peers: each its own, from pinned requirements, made once and kept until these change."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.harness import say, useful_line

PEERS = Path(__file__).parent / "peers"
_MARKER = "complete.json"
_REMEMBERED = "failed.json"


class CannotInstallError(Exception):
    """Says why a peer's environment could not be made, in one line."""


def interpreter(peer: str, work: Path, *, requirements: Path | None = None) -> Path:
    """The Python of `peer`'s environment, which is made if it is not there; CannotInstallError with the reason.

    `requirements` is by default `benchmarks/peers/PEER.txt`. An environment is known by the hash of these lines and of
    the Python version, so that a changed pin makes a new one.
    """
    lines = requirements_of(requirements or PEERS / f"{peer}.txt")
    folder = work / "environments" / f"{peer}-{_fingerprint(lines)}"
    python = folder / "bin" / "python"
    if (folder / _MARKER).is_file():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    say(f"{peer}: installing {', '.join(lines)}")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        venv.create(folder, with_pip=True)
        _pip(python, lines)
    except (CannotInstallError, OSError, subprocess.CalledProcessError):
        shutil.rmtree(folder, ignore_errors=True)
        raise
    (folder / _MARKER).write_text(json.dumps({"requirements": lines}) + "\n", encoding="utf-8")
    return python


def requirements_of(path: Path) -> list[str]:
    """The lines of a requirements file without notes."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _fingerprint(lines: list[str]) -> str:
    text = "\n".join([".".join(map(str, sys.version_info[:2])), *lines])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _pip(python: Path, lines: list[str]) -> None:
    """Install; options such as `--no-deps` may stand as lines of their own, as pip's own files have them."""
    listed = python.parents[1] / "requirements.txt"
    listed.write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(listed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    if done.returncode:
        raise CannotInstallError(useful_line(done.stderr or done.stdout))
