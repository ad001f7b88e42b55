"""Batch and Outputs: what a model gets and gives.

Legend: B rows, U histories, F fields, N numbers, H hotness, L history length, P past columns, T targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shortlist.features.rows import BAG_PREFIX, FeatureRows


@dataclass(frozen=True, slots=True)
class Bag:
    """The values of a multi-hot column: rows of the stacked space, padded after `length`."""

    values_BH: Tensor
    length_B: Tensor

    def mask_BH(self) -> Tensor:
        """True where there is a value."""
        return torch.arange(self.values_BH.shape[1], device=self.length_B.device) < self.length_B[:, None]


@dataclass(frozen=True, slots=True)
class History:
    """Events of U users as rows of the item id column, oldest first, and which of them each of the B rows has."""

    events: Bag
    of_B: Tensor
    past_ULP: Tensor | None = None
    """What else is known of the events, as rows of the model's `past` columns."""

    def past(self) -> tuple[Tensor, ...]:
        """ids_UL of each of the `past` columns."""
        return () if self.past_ULP is None else self.past_ULP.unbind(2)

    def per_row(self) -> Bag:
        """Every row's own events."""
        return Bag(self.events.values_BH.index_select(0, self.of_B), self.events.length_B.index_select(0, self.of_B))


@dataclass(frozen=True, slots=True)
class Batch:
    """B rows as a model sees them; which column is which stands in the model's Inputs."""

    ids_BF: Tensor
    """int32 rows of the stacked space."""
    numbers_BN: Tensor
    """float32, normalised when prepared."""
    bags: Mapping[str, Bag] = field(default_factory=dict)
    history: History | None = None
    """The user's events strictly before this one."""

    @classmethod
    def of(cls, rows: FeatureRows, device: torch.device | str = "cpu") -> Batch:
        """The tensors of encoded rows, on `device`."""
        return cls.from_named({name: tensor(array, device) for name, array in rows.feeds().items()}, len(rows))

    @classmethod
    def from_named(cls, named: Mapping[str, Tensor], rows: int | None = None) -> Batch:
        """From tensors called as `FeatureRows.feeds` calls them; absent parts have no columns."""
        # Of a session's request there may be nothing but its history, which several rows may share.
        some = next(
            (tensor for name, tensor in named.items() if not name.startswith("history.")), named.get("history.of")
        )
        assert some is not None
        count = some.shape[0] if rows is None else rows
        bags = {
            name.removeprefix(BAG_PREFIX).removesuffix(".values"): Bag(values, named[_length_of(name)])
            for name, values in named.items()
            if name.startswith(BAG_PREFIX) and name.endswith(".values")
        }
        return cls(
            ids_BF=named["ids"] if "ids" in named else some.new_zeros((count, 0), dtype=torch.int32),
            numbers_BN=named["numbers"] if "numbers" in named else some.new_zeros((count, 0), dtype=torch.float32),
            bags=bags,
            history=_history(named) if "history.ids" in named else None,
        )


def paired(requests: Batch, items: Batch, request_M: Tensor) -> Batch:
    """M rows: each of the items beside the request, one of U, that `request_M` says; histories are shared."""
    bags = {
        name: Bag(bag.values_BH.index_select(0, request_M), bag.length_B.index_select(0, request_M))
        for name, bag in requests.bags.items()
    }
    past = requests.history
    return Batch(
        torch.cat([requests.ids_BF.index_select(0, request_M), items.ids_BF], dim=1),
        torch.cat([requests.numbers_BN.index_select(0, request_M), items.numbers_BN], dim=1),
        {**bags, **items.bags},
        None if past is None else History(past.events, past.of_B.index_select(0, request_M), past.past_ULP),
    )


def _history(named: Mapping[str, Tensor]) -> History:
    events = Bag(named["history.ids"], named["history.length"])
    return History(events, named["history.of"], named.get("history.past"))


def _length_of(values_name: str) -> str:
    return values_name.removesuffix(".values") + ".length"


@dataclass(frozen=True, slots=True)
class Labels:
    """What a loss compares the outputs of a ranking model with."""

    targets_BT: Tensor
    """Not a number where a row does not tell."""
    weight_B: Tensor
    list_B: Tensor | None = None
    """int32; rows with the same number were drawn for one positive, itself among them. None where none are drawn."""


def tensor(array: npt.NDArray[Any], device: torch.device | str) -> Tensor:
    """A tensor of the array on `device`; on the CPU copied only when the array is a read-only view on a file.

    A GPU copies from pinned memory while the caller goes on.
    """
    if not array.flags.writeable:
        array = np.array(array)
    made = torch.from_numpy(np.ascontiguousarray(array))
    device = torch.device(device)
    if device.type == "cpu":
        return made
    return (made.pin_memory() if device.type == "cuda" else made).to(device, non_blocking=True)
