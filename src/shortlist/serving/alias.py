"""Where a bundle lies that is named by an alias in MLflow's registry.

MLflow takes seconds to import and hundreds of megabytes: it is asked in a process of its own, which ends.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shortlist.core.errors import EnvironmentFault

PREFIX = "models:/"
_MODULE = "shortlist.tracking.where"
_PATIENCE_S = 120


def bundle_at(address: str | Path) -> Path:
    """The folder of a bundle: `address` itself, or what `models:/NAME@ALIAS` stands for at this moment."""
    if not str(address).startswith(PREFIX):
        return Path(address)
    command = [sys.executable, "-m", _MODULE, str(address)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFault(f"MLflow did not say within {_PATIENCE_S} s where {address} is") from error
    if done.returncode != 0:
        raise EnvironmentFault(done.stderr.strip().rpartition("\n")[2] or f"cannot find {address}")
    return Path(done.stdout.strip().rpartition("\n")[2])
