"""The result of a stage: the weights as safetensors, what led to them as JSON; no pickle."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from shortlist.core.errors import DataError
from shortlist.core.files import write_json
from shortlist.nn.mapped import NO_TABLES, mapped_file, tables_mapped_in
from shortlist.nn.sharded import sharded_table
from shortlist.training.checkpoint import Tables

WEIGHTS = "model.safetensors"
HISTORY = "history.json"
TABLES = "tables"


def save_weights(folder: Path, model: nn.Module, history: list[dict[str, Any]], tables: Tables = NO_TABLES) -> None:
    """Write the model's weights and the learning curve into `folder`; of mapped or sharded tables it gets files."""
    save_file({name: value.contiguous() for name, value in unshared(model).items()}, folder / WEIGHTS)
    tables.keep(folder / TABLES)
    write_json(folder / HISTORY, history)


def with_tables_of(folder: Path) -> AbstractContextManager[None]:
    """Build a model in this block to have the mapped tables of `folder`, if it has some, and `load_weights` then."""
    tables = folder / TABLES
    return tables_mapped_in(tables, trained=True) if tables.is_dir() else contextlib.nullcontext()


def load_weights(folder: Path, model: nn.Module) -> None:
    """Put the weights of `folder` into `model`; DataError when they are broken, or of another model."""
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"cannot read {folder / WEIGHTS}: {error}. Train again with: shortlist train --force"
        ) from error
    expected = {name: tuple(value.shape) for name, value in unshared(model).items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if expected != found:
        differing = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
        name = differing[0]
        raise DataError(
            f"{folder / WEIGHTS} holds another model: {name} should be {expected.get(name)}, found {found.get(name)} "
            f"({len(differing)} such). Train again with: shortlist train --force"
        )
    model.load_state_dict(weights, strict=False)


def unshared(model: nn.Module) -> dict[str, Tensor]:
    """The state without second names of the same tensor, which safetensors refuses; mapped and sharded tables apart."""
    seen: set[int] = set()
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        if id(value) not in seen and mapped_file(value) is None and sharded_table(value) is None:
            seen.add(id(value))
            state[name] = value.detach()
    return state
