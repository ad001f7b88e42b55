"""Optional packages: one clear error when an extra is not installed."""

from __future__ import annotations

import importlib
from types import ModuleType

from shortlist.core.errors import EnvironmentFault


def need(module: str, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            f"{purpose} needs the package {error.name!r}, which is not installed. "
            f"Install it with: pip install 'shortlist[{extra}]'"
        ) from error
