"""MLflow without its chatter: what it tells of tables it makes and files it copies is nothing to act on."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator

_LOGGERS = ("mlflow", "alembic")
_SETTINGS = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Without git on the machine GitPython would say so at its import.
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextlib.contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Let MLflow, where it is installed, say nothing short of an error; its settings in the environment win."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(ModuleNotFoundError):
            # Its import sets the loggers up, and must come before their levels.
            import mlflow  # noqa: F401
        levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
