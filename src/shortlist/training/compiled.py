"""torch.compile, where the recipe asks for it."""

from __future__ import annotations

import os
import shutil
import sys

import torch
from torch import nn

from shortlist.core.errors import EnvironmentFault
from shortlist.training.layers import parts_of_layers


def compile_layers(model: nn.Module, device: torch.device) -> None:
    """Compile, in place, the largest parts of `model` that have layers and no table.

    Look-ups stay as they are: a compiler has nothing for sparse gradients, nor for histories of varying length. On a
    GPU each shape that a part meets is recorded once as a CUDA graph. Parameters keep their names.

    Raises:
        EnvironmentFault: there is no C++ compiler.
    """
    compiler = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(compiler) is None:
        raise EnvironmentFault(
            f"compute.compile = true needs a C++ compiler, and there is no {compiler} here. "
            "Install one, name yours in the variable CXX, or leave compute.compile out."
        )
    for part in parts_of_layers(model):
        part.compile(mode="reduce-overhead" if device.type == "cuda" else "default")
