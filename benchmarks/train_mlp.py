"""The worker of `train` for the network alone: 429 inputs, the same hidden layers, Adam, in plain torch.

What no trainer of the whole model can be faster than: its input is one ready matrix, taken in order.
"""

from __future__ import annotations

import itertools

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.click_training import BATCH, Array, Learner, Task, serve_training


def build(task: Task) -> Learner:
    """Fused Adam at 1e-3 under log loss."""
    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    widths = [task.numbers + task.dim * len(task.cardinalities), *task.hidden]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    model = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    x_BC = torch.randn(BATCH, widths[0])

    def fit(numbers_nN: Array, ids_nF: Array, label_n: Array) -> None:
        for start in range(0, len(label_n), BATCH):
            label_B = torch.from_numpy(label_n[start : start + BATCH])
            # Nobody's input needs no gradient, but the embeddings below a network do.
            batch_BC = x_BC[: len(label_B)].detach().requires_grad_()
            optimiser.zero_grad(set_to_none=True)
            functional.binary_cross_entropy_with_logits(model(batch_BC)[:, 0], label_B).backward()
            optimiser.step()

    return Learner(fit, lambda numbers_nN, ids_nF: np.zeros(len(ids_nF), np.float32))


def flops(widths: tuple[int, ...]) -> float:
    """Floating-point operations of a sample in a training step: one product forward, two backward, each 2 a weight."""
    return sum(6 * before * after for before, after in itertools.pairwise(widths))


if __name__ == "__main__":
    serve_training(build, "torch")
