"""The precision of the layers' products: autocast, loss scaling and TF32 by one setting. Weights stay float32.

Micikevicius et al.: Mixed Precision Training, ICLR 2018. Lower precision is for what it makes faster, the large
products of the layers, and only while they train. Look-ups, sums and products of embeddings, logits and losses stay in
float32, and so does validation, as a model is served. A logit rounded to bf16 would be a probability changed by up to
0.004.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from shortlist.core.errors import EnvironmentFault
from shortlist.nn.heads import Head
from shortlist.recipe.sections import Compute
from shortlist.training.layers import parts_of_layers

Forward = Callable[..., Tensor]

Name = Literal["fp32", "tf32", "bf16", "fp16"]
_LOW: Mapping[Name, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}
_NARROW = 8
_AMPERE = (8, 0)
"""Compute capability from which a GPU multiplies in TF32 and bfloat16."""


@dataclass(frozen=True)
class Precision:
    """A precision on a kind of device."""

    name: Name = "fp32"
    device: Literal["cpu", "cuda"] = "cpu"

    def scaler(self) -> torch.amp.GradScaler:
        """Of the loss, for fp16, whose small gradients would be 0; of another precision it does nothing."""
        return torch.amp.GradScaler(self.device, enabled=self.name == "fp16")

    @contextlib.contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Until the block ends the layers of `model` multiply in this precision whenever it trains."""
        low = _LOW.get(self.name)
        parts = parts_of_layers(model) if low is not None else []
        heads = _heads(parts)
        with _tf32(self):
            for head in heads:
                head.forward = _in_float32(head, head.forward)
            for part in parts:
                part.forward = _lowered(part, part.forward, self.device, low)
            try:
                yield
            finally:
                for module in {*heads, *parts}:
                    del module.forward


def _heads(parts: Sequence[nn.Module]) -> set[nn.Module]:
    """Layers of outputs, and those too narrow for the units that multiply fast in lower precision."""
    layers = [layer for part in parts for layer in part.modules()]
    narrow = {layer for layer in layers if isinstance(layer, nn.Linear) and layer.out_features < _NARROW}
    return narrow.union(*(layer.last_layers() for layer in layers if isinstance(layer, Head)))


def _in_float32(layer: nn.Module, forward: Forward) -> Forward:
    def called(x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return forward(x.float())

    return called


def _lowered(part: nn.Module, forward: Forward, device: str, low: torch.dtype | None) -> Forward:
    def called(*given: Tensor) -> Tensor:
        with torch.autocast(device, low, enabled=part.training):
            return forward(*given).float()

    return called


@contextlib.contextmanager
def _tf32(precision: Precision) -> Iterator[None]:
    """Set how a GPU multiplies float32 until the block ends."""
    if precision.device == "cpu":
        yield
        return
    products = torch.backends.cuda.matmul
    before = products.fp32_precision
    products.fp32_precision = "tf32" if precision.name == "tf32" else "ieee"
    try:
        yield
    finally:
        products.fp32_precision = before


def choose_precision(compute: Compute, device: torch.device) -> Precision:
    """What a recipe asks for on this device; EnvironmentFault if the device cannot do it.

    `auto` is bf16 where the device multiplies in it: on GPUs from Ampere on, and on CPUs with AMX or AVX-512 BF16.
    Elsewhere it is emulated, and slower than fp32, which is taken there.
    """
    kind: Literal["cpu", "cuda"] = "cuda" if device.type == "cuda" else "cpu"
    native = _multiplies_bf16(device)
    asked = compute.precision
    if asked == "auto":
        return Precision("bf16" if native else "fp32", kind)
    if asked == "tf32" and not (kind == "cuda" and native):
        raise EnvironmentFault(
            f'compute.precision = "tf32" needs a GPU of compute capability 8.0 or above, found {_called(device)}. '
            'Use precision = "auto".'
        )
    if asked == "bf16" and kind == "cuda" and not native:
        raise EnvironmentFault(
            f'compute.precision = "bf16" needs a GPU of compute capability 8.0 or above, found {_called(device)}. '
            'Use precision = "fp16" or "auto".'
        )
    return Precision(asked, kind)


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _AMPERE
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))


def _called(device: torch.device) -> str:
    if device.type != "cuda":
        return "the CPU"
    major, minor = torch.cuda.get_device_capability(device)
    return f"{torch.cuda.get_device_name(device)} of {major}.{minor}"
