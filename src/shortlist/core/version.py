"""The installed version; pyproject.toml is its one home."""

from __future__ import annotations

from importlib.metadata import version

__version__ = version("shortlist")
