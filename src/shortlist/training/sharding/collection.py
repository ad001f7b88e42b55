"""A sharded table as TorchRec holds it: one of its embedding collections with the optimiser fused into its update.

A step may look a table up several times: fields, bags, a history. Row-wise Adagrad is to see the sum of a row's
gradients over all of them and over all processes, once. So nothing is updated while gradients flow: each look-up's are
kept, sent to the rows' owners at the step, and an owner updates its rows by one fused call.

Legend: R distinct rows of a look-up, D embedding dim, P parts of a table, h rows and w columns of a cell.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from shortlist.nn.ranks import communicating, world
from shortlist.nn.sharded import ShardedTable
from shortlist.training.rowwise_adagrad import EPS
from shortlist.training.sharding.package import torchrec
from shortlist.training.sharding.parts import Part

LANE = 4
"""FBGEMM's kernels of a GPU read as many numbers at once: rows are widened to a multiple by columns of zeros."""
_BLOCK = 2**16
"""Rows that are made or copied at once."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What this process has of a table: some rows, or some columns of them."""

    rows: range
    column: int
    columns: int
    """Without those that only widen the rows."""
    weight_hw: Tensor
    sum_h: Tensor
    """The optimiser's."""

    def blocks(self) -> Iterator[slice]:
        """Its rows, some at a time."""
        rows = len(self.rows)
        return (slice(start, min(start + _BLOCK, rows)) for start in range(0, rows, _BLOCK))


@dataclass(frozen=True, slots=True)
class _LookUp:
    """What is to be learned from."""

    inputs: Any
    """The rows that all processes asked this one for."""
    owned: list[Tensor]
    """Their vectors, leaves."""
    sent_RD: Tensor
    """The vectors that this process asked for, by the way that gradients go back."""
    asked_RD: Tensor
    """The same as the model has them, a leaf."""


class ShardedRows:
    """The rows of a table, of which this process owns a part."""

    def __init__(self, table: ShardedTable, parts: Sequence[Part], lr: float, l2: float) -> None:
        self.table = table
        self.parts = parts
        width = -(-table.dim // LANE) * LANE
        # The mean of squares goes over the widened row, and is smaller by dim / width.
        self._share = math.sqrt(table.dim / width)
        self._device = table.parameter.device
        self._keys = [str(place) for place in range(len(parts))]
        self._start_P = torch.tensor([part.rows.start for part in parts], device=self._device)
        self._end_P = torch.tensor([part.rows.stop for part in parts], device=self._device)
        self._jagged: Any = torchrec("torchrec.sparse.jagged_tensor").KeyedJaggedTensor
        self._list: Any = torchrec("torchrec.distributed.embedding_types").KJTList
        self._context: Any = torchrec("torchrec.distributed.sharding.sequence_sharding").SequenceShardingContext
        self._collection = self._sharded(width, lr, l2)
        self._look_ups: list[_LookUp] = []
        self.cells = list(self._cells())
        for cell in self.cells:
            self._begin(cell)

    def vectors(self, rows_R: Tensor, learn: bool) -> Tensor:
        """vectors_RD of distinct rows in ascending order; see `shortlist.nn.sharded.Rows`."""
        context = self._collection.create_context()
        asked = self._by_part(rows_R)
        with communicating():
            inputs = self._collection.input_dist(context, asked).wait().wait()
        # FBGEMM has no kernel for the mode of inference, in which validation is.
        with torch.inference_mode(False), torch.no_grad():
            owned = [vectors.detach() for vectors in self._collection.compute(context, inputs)]
        for vectors in owned:
            vectors.requires_grad_(learn)
        with communicating():
            found = self._collection.output_dist(context, owned).wait()
        sent_RD = torch.cat([found[key].values() for key in self._keys])[:, : self.table.dim]
        if not learn:
            return sent_RD
        asked_RD = sent_RD.detach().requires_grad_()
        self._look_ups.append(_LookUp(inputs, owned, sent_RD, asked_RD))
        return asked_RD

    def forget(self) -> None:
        """Learn nothing from the look-ups so far."""
        self._look_ups = []

    def update(self, lr: float) -> None:
        """One step of all rows that any process has looked up since the last one."""
        look_ups, self._look_ups = self._look_ups, []
        if not look_ups:
            return
        with communicating():
            for look_up in look_ups:
                gradient_RD = look_up.asked_RD.grad
                look_up.sent_RD.backward(torch.zeros_like(look_up.asked_RD) if gradient_RD is None else gradient_RD)
        optimiser = self._collection.fused_optimizer
        for group in optimiser.param_groups:
            group["lr"] = lr * self._share
        # This only hands the rate on. The step is taken as gradients reach the kernel.
        optimiser.step()
        inputs, gradient = self._merged(look_ups)
        context = self._collection.create_context()
        context.sharding_contexts.append(self._context())
        (vectors,) = self._collection.compute(context, self._list([inputs]))
        if vectors.requires_grad:
            vectors.backward(gradient)

    def _by_part(self, rows_R: Tensor) -> Any:
        """The rows as TorchRec takes them: places in each part, one part's after another's."""
        ends_P = torch.searchsorted(rows_R, self._end_P)
        length_P = torch.diff(ends_P, prepend=ends_P.new_zeros(1))
        first_R = self._start_P.repeat_interleave(length_P, output_size=len(rows_R))
        place_R = rows_R - first_R
        if len(self.parts) == 1:
            # What is dealt out is a table as a whole.
            place_R = self.parts[0].place(place_R)
        return self._jagged(keys=self._keys, values=place_R, lengths=length_P.int(), stride=1)

    def _merged(self, look_ups: Sequence[_LookUp]) -> tuple[Any, Tensor]:
        """What was asked of this process by all look-ups as if by one, with the gradients."""
        inputs = [look_up.inputs[0] for look_up in look_ups]
        gradients = [
            owned if owned.grad is None else owned.grad for owned in (look_up.owned[0] for look_up in look_ups)
        ]
        counts = [keyed.length_per_key() for keyed in inputs]
        rows = [keyed.values().split(count) for keyed, count in zip(inputs, counts, strict=True)]
        values = [gradient.split(count) for gradient, count in zip(gradients, counts, strict=True)]
        keys = inputs[0].keys()
        if not keys:
            return inputs[0], gradients[0]
        merged = self._jagged(
            keys=keys,
            values=torch.cat([part for of_key in zip(*rows, strict=True) for part in of_key]),
            lengths=torch.tensor(counts, dtype=torch.int32).sum(0, dtype=torch.int32).to(self._device),
            stride=1,
        )
        return merged, torch.cat([part for of_key in zip(*values, strict=True) for part in of_key])

    def _sharded(self, width: int, lr: float, l2: float) -> Any:
        """TorchRec's collection, made without memory and then parted."""
        configs, modules = (
            torchrec("torchrec.modules.embedding_configs"),
            torchrec("torchrec.modules.embedding_modules"),
        )
        plans, embedding = torchrec("torchrec.distributed.sharding_plan"), torchrec("torchrec.distributed.embedding")
        fbgemm = torchrec("fbgemm_gpu.split_embedding_configs")
        decay = torchrec("fbgemm_gpu.split_table_batched_embeddings_ops_training").WeightDecayMode
        # Losses are of the whole batch: gradients are added up, not averaged.
        torchrec("torchrec.distributed.comm_ops").set_gradient_division(False)
        whole = modules.EmbeddingCollection(
            tables=[
                configs.EmbeddingConfig(name=key, embedding_dim=width, num_embeddings=part.places, feature_names=[key])
                for key, part in zip(self._keys, self.parts, strict=True)
            ],
            device=torch.device("meta"),
        )
        sharder = embedding.EmbeddingCollectionSharder(
            fused_params={
                "optimizer": fbgemm.EmbOptimType.EXACT_ROWWISE_ADAGRAD,
                "learning_rate": lr * self._share,
                "eps": EPS * self._share,
                "weight_decay": l2,
                "weight_decay_mode": decay.L2 if l2 else decay.NONE,
            }
        )
        plan = plans.construct_module_sharding_plan(
            whole,
            {key: self._way(plans, part) for key, part in zip(self._keys, self.parts, strict=True)},
            sharder,
            world_size=world(),
            local_size=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
            device_type=self._device.type,
        )
        env = torchrec("torchrec.distributed.types").ShardingEnv.from_process_group(dist.group.WORLD)
        return sharder.shard(whole, plan, env, self._device)

    def _way(self, plans: Any, part: Part) -> Any:
        """How TorchRec is to part a part. Its own choice for a CPU would be kernels without a fused optimiser."""
        if part.owner is not None:
            return plans.table_wise(rank=part.owner, compute_kernel="fused")
        if self.table.sharding == "column_wise":
            return plans.column_wise(ranks=list(range(world())), compute_kernel="fused")
        return plans.row_wise(compute_kernel="fused")

    def _cells(self) -> Iterator[Cell]:
        states = self._collection.fused_optimizer.state_dict()["state"]
        for name, weight in self._collection.state_dict().items():
            key = name.split(".")[1]
            part, sums = self.parts[int(key)], states.get(name, {}).get(f"{key}.momentum1")
            for place, shard in enumerate(weight.local_shards()):
                first, column = shard.metadata.shard_offsets
                columns = min(shard.tensor.shape[1], self.table.dim - column)
                if len(shard.tensor):
                    rows = part.held_at(first)
                    # Nobody sees the places without a row, which are the last ones.
                    weight_hw = shard.tensor.detach()[: len(rows)]
                    yield Cell(rows, column, columns, weight_hw, sums.local_shards()[place].tensor[: len(rows)])

    @torch.no_grad()
    def _begin(self, cell: Cell) -> None:
        """The initial values, some rows at a time; those of the table in memory."""
        cell.weight_hw.zero_()
        for block in cell.blocks():
            rows = cell.rows[block]
            rows_h = np.arange(rows.start, rows.stop, rows.step)
            whole = self.table.beginning.vectors(rows_h, self.table.dim)[:, cell.column : cell.column + cell.columns]
            cell.weight_hw[block, : cell.columns] = torch.from_numpy(whole).to(self._device)
