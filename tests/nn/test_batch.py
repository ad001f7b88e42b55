"""Batch: tensors by the names of the exported inputs, and read-only files that are not written to."""

from __future__ import annotations

import numpy as np
import torch

from shortlist.nn.batch import Bag, Batch, tensor
from shortlist.testing.inputs import random_rows, ranking_inputs


def test_a_batch_holds_what_the_rows_hold() -> None:
    rows = random_rows(ranking_inputs(), 7)
    batch = Batch.of(rows)

    assert rows.history is not None
    assert batch.history is not None
    assert torch.equal(batch.ids_BF, torch.from_numpy(rows.ids_BF))
    assert torch.equal(batch.numbers_BN, torch.from_numpy(rows.numbers_BN))
    assert torch.equal(batch.history.events.values_BH, torch.from_numpy(rows.history.ids_UL))
    assert torch.equal(batch.history.events.length_B, torch.from_numpy(rows.history.length_U))
    assert batch.bags.keys() == {"item.genres"}
    assert torch.equal(batch.bags["item.genres"].values_BH, torch.from_numpy(rows.bags["item.genres"].values_BH))


def test_absent_parts_have_no_columns() -> None:
    batch = Batch.from_named({"numbers": torch.ones(3, 2)})

    assert batch.ids_BF.shape == (3, 0)
    assert batch.ids_BF.dtype == torch.int32
    assert batch.bags == {}
    assert batch.history is None


def test_the_mask_of_a_bag_marks_its_values() -> None:
    bag = Bag(torch.tensor([[7, 8, 0], [0, 0, 0], [1, 2, 3]]), torch.tensor([2, 0, 3]))

    assert bag.mask_BH().tolist() == [[True, True, False], [False, False, False], [True, True, True]]


def test_a_view_on_a_file_is_copied() -> None:
    array = np.arange(3)
    array.flags.writeable = False

    made = tensor(array, "cpu")
    made[0] = 9

    assert array.tolist() == [0, 1, 2]
