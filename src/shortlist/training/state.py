"""Any nested state as JSON beside tensors, and back: what `state_dict` of an optimiser, scaler or schedule returns."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

_TENSOR, _TUPLE, _PAIRS, _FLOAT = "#tensor", "#tuple", "#pairs", "#float"
"""Marks of what JSON has no form for: tensors by name, tuples, mappings with other keys than text, nan and infinity."""


def split_state(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON; its tensors go into `tensors`, named below `name`. TypeError for what is none of them."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach()
        return {_TENSOR: name}
    if isinstance(value, Mapping):
        pairs = [[key, split_state(inner, f"{name}.{key}", tensors)] for key, inner in value.items()]
        return dict(pairs) if all(isinstance(key, str) for key in value) else {_PAIRS: pairs}
    if isinstance(value, list | tuple):
        parts = [split_state(inner, f"{name}.{place}", tensors) for place, inner in enumerate(value)]
        return parts if isinstance(value, list) else {_TUPLE: parts}
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: str(value)}
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"{name}: a {type(value).__name__} is no part of a state that can be kept")


def join_state(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `split_state` took apart; KeyError when a tensor is missing."""
    if isinstance(value, list):
        return [join_state(inner, tensors) for inner in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"#tensor": name}:
            return tensors[name]
        case {"#tuple": parts}:
            return tuple(join_state(inner, tensors) for inner in parts)
        case {"#pairs": pairs}:
            return {key: join_state(inner, tensors) for key, inner in pairs}
        case {"#float": text}:
            return float(text)
    return {key: join_state(inner, tensors) for key, inner in value.items()}
