"""Checkpoints: the weights as safetensors, what led to them as JSON; no pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from shortlist.core.errors import DataError
from shortlist.core.files import read_json, write_json

WEIGHTS = "model.safetensors"
HISTORY = "history.json"


def save_checkpoint(folder: Path, model: nn.Module, history: list[dict[str, Any]]) -> None:
    """Write the model's weights and the learning curve into `folder`."""
    save_file({name: value.contiguous() for name, value in _unshared(model).items()}, folder / WEIGHTS)
    write_json(folder / HISTORY, history)


def load_checkpoint(folder: Path, model: nn.Module) -> None:
    """Put the weights of `folder` into `model`; DataError when they are broken, or of another model."""
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"cannot read {folder / WEIGHTS}: {error}. Train again with: shortlist train --force"
        ) from error
    expected = {name: tuple(value.shape) for name, value in _unshared(model).items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if expected != found:
        differing = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
        name = differing[0]
        raise DataError(
            f"{folder / WEIGHTS} holds another model: {name} should be {expected.get(name)}, found {found.get(name)} "
            f"({len(differing)} such). Train again with: shortlist train --force"
        )
    model.load_state_dict(weights, strict=False)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The learning curve, an entry an epoch."""
    history: list[dict[str, Any]] = read_json(folder / HISTORY)
    return history


def _unshared(model: nn.Module) -> dict[str, Any]:
    """The state without second names of the same tensor, which safetensors refuses."""
    seen: set[int] = set()
    state = {}
    for name, value in model.state_dict(keep_vars=True).items():
        if id(value) not in seen:
            seen.add(id(value))
            state[name] = value.detach()
    return state
