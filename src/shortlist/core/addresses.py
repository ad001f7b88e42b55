"""Places on other file systems, such as `s3://bucket/folder`: of any kind that fsspec knows."""

from __future__ import annotations

from typing import Any

from shortlist.core.errors import EnvironmentFault, Problem, RecipeError
from shortlist.core.extras import need


def file_system(address: str, setting: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the path there; `setting` is what names it, such as `compute.shards`.

    EnvironmentFault where a package is not installed, RecipeError for a kind of place that fsspec does not know.
    """
    fsspec = need("fsspec", "remote", f"{setting} = {address!r}")
    try:
        found: tuple[Any, str] = fsspec.url_to_fs(address)
    except ImportError as error:
        raise EnvironmentFault(
            f"{setting} = {address!r}: {error}. S3 comes with: pip install 'shortlist[remote]'"
        ) from error
    except ValueError as error:
        raise RecipeError([Problem(setting, f"{address!r} is no place that fsspec knows: {error}")]) from error
    return found
