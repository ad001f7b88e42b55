"""Optional packages: one clear error when an extra is not installed."""

from __future__ import annotations

import importlib
from types import ModuleType

from shortlist.core.errors import EnvironmentFault


def need(module: str, extra: str | None, purpose: str, *, how: str = "") -> ModuleType:
    """Import `module`, or say which extra brings it; without an extra, `how` it is installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        install = f"pip install 'shortlist[{extra}]'" if extra else how
        raise EnvironmentFault(
            f"{purpose} needs the package {error.name!r}, which is not installed. Install it with: {install}"
        ) from error
