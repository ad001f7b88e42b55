"""The models of `gpu`, at the sizes of published recipes, and batches of random rows made on the device.

Legend: B rows, H hotness, T targets.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmarks.clicks import CARDINALITIES, NUMBERS
from shortlist.models.base import RankingModel
from shortlist.models.catalogue import ranking_model
from shortlist.nn.batch import Bag, Batch
from shortlist.recipe.training import Model
from shortlist.schema import Column, Inputs, Kind, Side, Target
from shortlist.schema.columns import stacked

DIFFERENT = 4
"""Batches that take turns: more would only take memory."""
_ROWS_128 = (300_000, 250_000, 100_000)
_ROWS_64 = (4_000, 4_000, 2_500, 2_500, 2_000, 1_000, 1_000, 300)
_INDICATORS = (6, 3, 3, 2, 2)
_BAGS = ((10_000, 6), (10_000, 6), (350, 3), (350, 3), (100, 3), (100, 3))
_OUTBRAIN_NUMBERS = 32


@dataclass(frozen=True)
class Case:
    """A model with its columns."""

    name: str
    model: Mapping[str, Any]
    """Name and settings, as [ranking.model] has them."""
    inputs: Inputs
    batch: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the network's layers, its inputs and its output included."""
        dims = self.model.get("embedding_dims", {})
        columns = (*self.inputs.fields, *self.inputs.bags)
        looked_up = sum(dims.get(column.name, self.model["embedding_dim"]) for column in columns)
        return (looked_up + len(self.inputs.numbers), *self.model["hidden"], 1)

    def build(self) -> RankingModel:
        """The model, untrained."""
        return ranking_model(Model.model_validate(self.model), self.inputs)


def outbrain(batch: int = 131_072, hidden: Sequence[int] = (1024,) * 5, shrink: int = 1) -> Case:
    """NVIDIA's Wide & Deep for Outbrain: 16 fields and 6 bags of 1,328 deep inputs with 32 numbers.

    Three tables of dim 128, fourteen of 64, and five fields whose values are written out, here as tables as wide as
    they have values. https://github.com/NVIDIA/DeepLearningExamples, TensorFlow/Recommendation/WideAndDeep, its
    trainer/features.py. `shrink` divides the numbers of values.
    """
    sizes = [max(size // shrink, 2) for size in (*_ROWS_128, *_ROWS_64)]
    fields = [*sizes, *_INDICATORS]
    dims = {**dict.fromkeys(range(3), 128), **{11 + i: size for i, size in enumerate(_INDICATORS)}}
    bags = [(max(size // shrink, 2), hotness) for size, hotness in _BAGS]
    inputs = inputs_of(fields, _OUTBRAIN_NUMBERS, bags)
    model = {
        "name": "wide_deep",
        "embedding_dim": 64,
        "embedding_dims": {inputs.fields[place].name: dim for place, dim in dims.items()},
        "hidden": list(hidden),
    }
    return Case("Wide & Deep, Outbrain", model, inputs, batch)


def deepfm(batch: int = 65_536, hidden: Sequence[int] = (400,) * 3, shrink: int = 1) -> Case:
    """The DeepFM of the benchmark `train`, in large batches."""
    inputs = inputs_of([max(size // shrink, 2) for size in CARDINALITIES], NUMBERS, ())
    return Case("DeepFM", {"name": "deepfm", "embedding_dim": 16, "hidden": list(hidden)}, inputs, batch)


def inputs_of(fields: Sequence[int], numbers: int, bags: Sequence[tuple[int, int]]) -> Inputs:
    """Columns of the context with so many values each; of bags the hotness too."""

    def column(name: str, kind: Kind, size: int = 0, hotness: int = 0) -> Column:
        return Column(name=f"context.{name}", side=Side.CONTEXT, kind=kind, size=size, hotness=hotness)

    columns = stacked(
        [
            *(column(f"field{i}", Kind.FIELD, size) for i, size in enumerate(fields)),
            *(column(f"bag{i}", Kind.BAG, size, hotness) for i, (size, hotness) in enumerate(bags)),
            *(column(f"number{i}", Kind.NUMBER) for i in range(numbers)),
        ]
    )

    def of(kind: Kind) -> tuple[Column, ...]:
        return tuple(column for column in columns if column.kind == kind)

    return Inputs(fields=of(Kind.FIELD), numbers=of(Kind.NUMBER), bags=of(Kind.BAG), targets=(Target(name="clicked"),))


def random_batches(case: Case, device: torch.device, seed: int) -> Callable[[], Iterator[tuple[Batch, Tensor]]]:
    """Batches with their targets_BT, made once; ids are such that few values are frequent."""
    random = torch.Generator(device).manual_seed(seed)
    made = [_random_batch(case, device, random) for _ in range(DIFFERENT)]
    return lambda: itertools.cycle(made)


def _random_batch(case: Case, device: torch.device, random: torch.Generator) -> tuple[Batch, Tensor]:
    rows, inputs = case.batch, case.inputs

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, device=device, generator=random)

    def ids(column: Column, *shape: int) -> Tensor:
        # The fourth power of a uniform number: a ten-thousandth of the values has a tenth of the rows.
        return (column.offset + (uniform(*shape).pow(4) * column.size).long().clamp(max=column.size - 1)).int()

    bags = {
        column.name: Bag(ids(column, rows, column.hotness), (1 + uniform(rows) * column.hotness).int())
        for column in inputs.bags
    }
    batch = Batch(
        ids_BF=torch.stack([ids(column, rows) for column in inputs.fields], dim=1),
        numbers_BN=uniform(rows, len(inputs.numbers)),
        bags={name: Bag(bag.values_BH, bag.length_B.clamp(max=bag.values_BH.shape[1])) for name, bag in bags.items()},
    )
    return batch, (uniform(rows, 1) < 0.5).float()
