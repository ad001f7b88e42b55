"""Checkpoints: weights and learning curve come back, a shared table once, another model is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from shortlist.core.errors import DataError
from shortlist.core.files import read_json
from shortlist.training.weights import HISTORY, WEIGHTS, load_weights, save_weights


class Model(nn.Module):
    def __init__(self, width: int = 3) -> None:
        super().__init__()
        self.first = nn.Linear(2, width)
        self.second = nn.Linear(width, 1)
        # The same module under two names, as a table that both towers share.
        self.shared = self.first
        self.register_buffer("steps", torch.zeros(1))


def test_weights_and_curve_come_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    saved, loaded = Model(), Model()
    curve = [{"epoch": 1, "valid": {"auc": 0.7}}]
    save_weights(tmp_path, saved, curve)
    load_weights(tmp_path, loaded)

    assert all(torch.equal(value, loaded.state_dict()[name]) for name, value in saved.state_dict().items())
    assert read_json(tmp_path / HISTORY) == curve


def test_a_shared_table_is_stored_once_and_stays_shared(tmp_path: Path) -> None:
    save_weights(tmp_path, Model(), [])
    with safe_open(tmp_path / WEIGHTS, "pt") as file:
        names = set(file.keys())
    loaded = Model()
    load_weights(tmp_path, loaded)

    assert names == {"first.weight", "first.bias", "second.weight", "second.bias", "steps"}
    assert loaded.first.weight is loaded.shared.weight


def test_another_model_is_refused_by_its_first_difference(tmp_path: Path) -> None:
    save_weights(tmp_path, Model(width=3), [])
    other = Model(width=4)
    before = other.first.weight.detach().clone()

    with pytest.raises(DataError, match=r"holds another model: first\.bias should be \(4,\), found \(3,\) \(3 such\)"):
        load_weights(tmp_path, other)
    assert torch.equal(other.first.weight, before)


def test_a_missing_weight_is_refused(tmp_path: Path) -> None:
    save_weights(tmp_path, nn.Linear(2, 1), [])

    with pytest.raises(DataError, match=r"bias should be None, found \(1,\)"):
        load_weights(tmp_path, nn.Linear(2, 1, bias=False))


@pytest.mark.parametrize("content", [None, b"", b"not safetensors"])
def test_a_broken_checkpoint_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / WEIGHTS).write_bytes(content)

    with pytest.raises(DataError, match=r"cannot read .*model\.safetensors.*shortlist train --force"):
        load_weights(tmp_path, Model())
