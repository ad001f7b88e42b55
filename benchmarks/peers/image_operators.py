"""Lets a package import torchvision beside a torch without CUDA, when it needs none of its operators."""

from __future__ import annotations

import torch


def declare() -> torch.library.Library:
    """Declare the operators that torchvision's release on the package index misses there; keep what is returned.

    torchvision's compiled part does not load beside another build of torch, and importing its Python part then fails
    for these two names. Declared, they are there for the import and fail only when they are called.
    """
    library = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
