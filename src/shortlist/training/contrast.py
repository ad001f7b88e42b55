"""What a retrieval model is contrasted with: the items beside each row's own, and the loss over both.

Negatives are drawn in the loader's thread, as numbers of items. The items of a batch, each once, are encoded together
with its requests, and scores are made of both some rows at a time: for the scores of all of them there may be no room.

Where several processes train together, the contrast is that of the whole batch: each draws all of it, encodes its part
of the distinct items, gets the vectors of the rest from the others, and has the loss of its own rows.

Legend: G rows of a batch (events, or positions of sequences), P those of this process, p some of them, C distinct items
of a batch, N of them that are negatives of all rows, M negatives of each row, D dim, n pairs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shortlist.core.errors import UserError
from shortlist.core.seeding import stream
from shortlist.data.item_negatives import ItemDraws
from shortlist.data.loader import Gather
from shortlist.data.order import Share
from shortlist.features.rows import Floats, Ints, Longs, RaggedBag
from shortlist.losses.bpr import bpr
from shortlist.losses.ccl import ccl
from shortlist.losses.gbce import gbce
from shortlist.losses.softmax import softmax
from shortlist.models.base import RetrievalModel, SequenceModel
from shortlist.nn.batch import Batch, tensor
from shortlist.nn.ranks import rank, together, total, world
from shortlist.recipe.retrieval import Retrieval

CHUNK = 2**20
"""Numbers of scores, or of gathered vectors, that are made at once: what a processor's cache holds."""
ROWS = 128
"""Products of fewer rows than this are slow: of a large catalogue that many are taken at once ..."""
LARGEST_CHUNK = 2**22
"""... as long as their scores are no more than this."""
CHUNK_OF_GPU = 2**27
"""Numbers that are made at once on a GPU, which is slow at little things."""

RowLoss = Callable[[Tensor, Tensor], Tensor]
"""loss_P of positive_P and negative_PM."""
Part = Callable[[Tensor, Tensor, slice], Tensor]
"""The sum over some rows of what is made of their query_pD, of all vectors_CD, and of which rows they are."""


@dataclass(frozen=True, slots=True)
class _ForAll:
    """Negatives that all rows share: the last N of the C items. Some are positives of some rows."""

    first: int
    """The first of the N among the C items."""
    log_q_N: Tensor
    of_row_n: Tensor
    """A row with an item that is no negative of it ..."""
    item_n: Tensor
    """... and the place of that item among the N; in the order of the rows."""
    offsets_P: Longs
    """Where each row's pairs begin, and behind them all their end; on the host."""

    def width(self, dim: int) -> int:
        """How many numbers a row takes."""
        return len(self.log_q_N)

    def scores(self, query_pD: Tensor, vectors_CD: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """negative_pN, minus infinity for what is no negative, and the log of how likely each was to be one."""
        score_pN = query_pD @ vectors_CD[self.first :].T
        pairs = slice(int(self.offsets_P[rows.start]), int(self.offsets_P[rows.stop]))
        score_pN[self.of_row_n[pairs] - rows.start, self.item_n[pairs]] = -torch.inf
        return score_pN, self.log_q_N


@dataclass(frozen=True, slots=True)
class _ForEach:
    """Negatives of each row by itself."""

    item_PM: Tensor
    """Their places among the C items."""
    log_q_PM: Tensor
    positive_PM: Tensor
    """Where what was drawn is no negative."""

    def width(self, dim: int) -> int:
        """How many numbers a row takes."""
        return self.item_PM.shape[1] * dim

    def scores(self, query_pD: Tensor, vectors_CD: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """As of those for all."""
        item_pM = self.item_PM[rows]
        vector_pMD = vectors_CD.index_select(0, item_pM.flatten()).view(*item_pM.shape, -1)
        # Half the time of a batched matrix product with one column each.
        score_pM = (vector_pMD * query_pD[:, None]).sum(2)
        return score_pM.masked_fill(self.positive_PM[rows], -torch.inf), self.log_q_PM[rows]


@dataclass(frozen=True, slots=True)
class Drawn:
    """The items of one batch, on the model's device. Made by `Contrast.draw`, read by `Contrast.loss` alone."""

    items: Batch
    """Features of this process's part of the distinct items."""
    count: int
    """C, how many distinct items there are."""
    positive_P: Tensor
    """The place of each row's own item among the C."""
    weight_P: Tensor
    negatives: _ForAll | _ForEach


class Contrast:
    """Draws negatives for batches, and gives the recipe's loss over them. One for a fit."""

    def __init__(
        self,
        model: RetrievalModel,
        count_I: Longs,
        settings: Retrieval,
        gather: Gather[Batch],
        seed: int,
        device: torch.device,
    ) -> None:
        """`count_I`: how often each item is a row's own in an epoch, by which the chances of negatives are known.

        `gather.item` looks up the features of items. UserError where the loss does not suit the model.
        """
        self.model = model
        self.settings = settings.negatives
        self.masked = settings.negatives.masked or ("item" if isinstance(model, SequenceModel) else "user")
        self.gather = gather
        self.seed = seed
        self.device = device
        self.share = Share(rank(), world())
        self.draws = ItemDraws(settings.negatives, count_I)
        self.of_rows = _row_loss(settings, model, self.draws)
        # Cosines have a margin of their own. Of the hardest nobody knows how likely they were.
        self.temperature = 1.0 if settings.loss == "ccl" else model.temperature()
        self.corrected = settings.negatives.logq if settings.loss == "softmax" and not settings.negatives.hard else 0.0

    def draw(self, item_G: Ints, user_G: Ints, mine_P: Longs, weight_P: Floats, *, epoch: int, batch: int) -> Drawn:
        """What rows of a batch are contrasted with; for the loader's thread. Fixed by the seed, `epoch` and `batch`.

        `item_G` are rows of the item table, from 1 on: what each row's query should find. `user_G` are any numbers that
        tell users apart: what the same user chose at another row of the batch is no negative of a row (unless the
        recipe's `negatives.masked` says otherwise). `mine_P` are the rows of this process, of which there is one.
        """
        random = stream(self.seed, "item negatives", epoch, batch)
        if self.masked == "item":
            user_G = np.arange(len(item_G), dtype=np.int32)
        found = (self._for_all if self.settings.shared else self._for_each)(item_G, user_G, mine_P, random)
        items, positive_P, negatives = found
        return Drawn(
            items=self._catalogue if self.settings.source == "catalogue" else self._encoded_here(items),
            count=len(items),
            positive_P=tensor(positive_P, self.device),
            weight_P=tensor(weight_P, self.device),
            negatives=negatives,
        )

    def loss(self, query_PD: Tensor, drawn: Drawn) -> Tensor:
        """Mean over the rows of all processes, by weight; a scalar, 0 where no row has weight. Rows as in `draw`.

        Encodes the batch's distinct items once, by `model.candidate`. The scores are made some rows at a time.
        """
        vectors_CD = together(self.model.candidate(drawn.items))[: drawn.count]
        size = _rows_at_once(drawn.negatives.width(query_PD.shape[1]), query_PD.device)
        # In float32, also of a model that computes its vectors in a lower precision.
        with torch.autocast(query_PD.device.type, enabled=False):
            part = partial(self._part, drawn)
            of_rows = _some_rows_at_a_time(query_PD.float(), vectors_CD.float(), part, size)
        loss, weight = total(of_rows, drawn.weight_P.sum())
        return loss / weight.clamp(min=torch.finfo(torch.float32).tiny)

    def _part(self, drawn: Drawn, query_pD: Tensor, vectors_CD: Tensor, rows: slice) -> Tensor:
        """The sum of some rows' losses, each by its weight."""
        # Divided here, a score costs nothing to scale.
        query_pD = query_pD / self.temperature
        positive_p = (query_pD * vectors_CD.index_select(0, drawn.positive_P[rows])).sum(1)
        negative_pM, log_q = drawn.negatives.scores(query_pD, vectors_CD, rows)
        if self.settings.hard:
            negative_pM = negative_pM.topk(min(self.settings.hard, negative_pM.shape[1]), dim=1, sorted=False)[0]
        if self.corrected:
            negative_pM = negative_pM - self.corrected * log_q
        return (self.of_rows(positive_p, negative_pM) * drawn.weight_P[rows]).sum()

    @cached_property
    def _catalogue(self) -> Batch:
        """Features of every item that this process encodes."""
        return self._encoded_here(np.arange(1, self.draws.items + 1))

    def _encoded_here(self, items: Ints | Longs) -> Batch:
        """Features of this process's part of the items, as many as every other's."""
        return self.gather.item(items[self.share.evenly(len(items))])

    def _for_all(
        self, item_G: Ints, user_G: Ints, mine_P: Longs, random: np.random.Generator
    ) -> tuple[Ints, Longs, _ForAll]:
        """The C items, each row's own among them, and which of them are whose negatives."""
        own = np.unique(item_G)
        drawn = self.draws.for_all(own, len(item_G), random)
        others = np.setdiff1d(own, drawn.item, assume_unique=True)
        items = np.concatenate([others, drawn.item])
        place_I = self._places(items)
        chosen_U, of_G = _chosen(item_G, user_G)
        value_n, offsets_P = chosen_U.places(of_G[mine_P])
        row = np.repeat(np.arange(len(mine_P)), np.diff(offsets_P))
        # What a user chose matters where it is one of the N.
        item = place_I[chosen_U.values[value_n]] - len(others)
        row, item = row[item >= 0], item[item >= 0]
        ends_P = np.cumsum(np.bincount(row, minlength=len(mine_P)))
        log_q_N, of_row_n, item_n = (tensor(array, self.device) for array in (drawn.log_q, row, item))
        offsets_P = np.concatenate([np.zeros(1, np.int64), ends_P])
        return items, place_I[item_G[mine_P]], _ForAll(len(others), log_q_N, of_row_n, item_n, offsets_P)

    def _for_each(
        self, item_G: Ints, user_G: Ints, mine_P: Longs, random: np.random.Generator
    ) -> tuple[Ints, Longs, _ForEach]:
        """The same of each row's own negatives."""
        drawn = self.draws.for_each(len(item_G), random)
        # By marks, for sorting takes longer.
        is_there_I = np.zeros(self.draws.items + 1, bool)
        is_there_I[item_G] = is_there_I[drawn.item] = True
        items = np.flatnonzero(is_there_I).astype(np.int32)
        place_I = self._places(items)
        item_PM, log_q_PM = drawn.item[mine_P], drawn.log_q[mine_P]
        arrays = (place_I[item_PM], log_q_PM, _among_chosen(item_PM, item_G, user_G, mine_P))
        return items, place_I[item_G[mine_P]], _ForEach(*(tensor(array, self.device) for array in arrays))

    def _places(self, items: Ints) -> Longs:
        """For each row of the item table its place among `items`; anything for those that are not."""
        place_I = np.zeros(self.draws.items + 1, np.int64)
        place_I[items] = np.arange(len(items))
        return place_I


def _chosen(item_G: Ints, user_G: Ints) -> tuple[RaggedBag, Longs]:
    """The distinct items that each user chose in this batch, and each row's user among them."""
    user, of_G = np.unique(user_G, return_inverse=True)
    width = np.int64(item_G.max()) + 1
    key_n = np.unique(of_G * width + item_G)
    counts_U = np.bincount(key_n // width, minlength=len(user))
    offsets_U = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts_U)])
    return RaggedBag((key_n % width).astype(np.int32), offsets_U), of_G


def _among_chosen(drawn_PM: Ints, item_G: Ints, user_G: Ints, mine_P: Longs) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """positive_PM: whether an item that was drawn for a row is one that its user chose in this batch."""
    width = np.int64(max(item_G.max(), drawn_PM.max())) + 1
    chosen_n = np.sort(user_G * width + item_G)
    key_PM = user_G[mine_P, None] * width + drawn_PM
    place_PM = np.minimum(np.searchsorted(chosen_n, key_PM), len(chosen_n) - 1)
    return np.asarray(chosen_n[place_PM] == key_PM)


def _row_loss(settings: Retrieval, model: RetrievalModel, draws: ItemDraws) -> RowLoss:
    """The recipe's loss with its settings."""
    match settings.loss:
        case "softmax":
            return softmax
        case "bpr":
            return bpr
        case "gbce":
            share = 1.0 if settings.negatives.source == "catalogue" else draws.drawn / max(draws.items - 1, 1)
            return partial(gbce, share=min(share, 1.0), t=settings.gbce_t)
        case "ccl":
            if getattr(model.config, "similarity", None) != "cosine":
                raise UserError(
                    f'retrieval.loss = "ccl" compares cosines, and {settings.model.name} gives other scores. Set '
                    'retrieval.model.similarity = "cosine" where it has that setting, or loss = "softmax".'
                )
            return partial(ccl, margin=settings.ccl_margin, weight=settings.ccl_weight)
    raise UserError(
        f'retrieval.loss = "{settings.loss}" learns from rows one by one, and {settings.model.name} from sequences of '
        'what was chosen. Set loss = "softmax", or another model.'
    )


def _rows_at_once(width: int, device: torch.device) -> int:
    """Of how many rows the scores are made at once, each of which takes `width` numbers."""
    if device.type == "cuda":
        return max(CHUNK_OF_GPU // width, 1)
    return max(CHUNK // width, min(ROWS, LARGEST_CHUNK // width), 1)


def _some_rows_at_a_time(query_PD: Tensor, vectors_CD: Tensor, part: Part, size: int) -> Tensor:
    """The sum of `part` over all rows, `size` of them at a time."""
    total: Tensor = _SomeRowsAtATime.apply(query_PD, vectors_CD, part, size)  # type: ignore[no-untyped-call]
    return total


class _SomeRowsAtATime(torch.autograd.Function):
    """The sum of a function of some rows over all of them, with its gradients made at once, chunk by chunk.

    So the scores of one chunk are all that there ever is of them, and none is computed twice.
    """

    @staticmethod
    def forward(ctx: Any, query_PD: Tensor, vectors_CD: Tensor, part: Part, size: int) -> Tensor:
        """The sum, and meanwhile its gradients."""
        total = query_PD.new_zeros(())
        of_query_PD, of_vectors_CD = torch.empty_like(query_PD), torch.zeros_like(vectors_CD)
        for start in range(0, len(query_PD), size):
            rows = slice(start, min(start + size, len(query_PD)))
            query_pD = query_PD[rows].detach().requires_grad_()
            of_all_CD = vectors_CD.detach().requires_grad_()
            with torch.enable_grad():
                loss = part(query_pD, of_all_CD, rows)
            of_query_PD[rows], more_CD = torch.autograd.grad(loss, (query_pD, of_all_CD))
            of_vectors_CD += more_CD
            total += loss.detach()
        ctx.save_for_backward(of_query_PD, of_vectors_CD)
        return total

    @staticmethod
    def backward(ctx: Any, *of_total: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """By the chain rule."""
        of_query_PD, of_vectors_CD = ctx.saved_tensors
        return of_query_PD * of_total[0], of_vectors_CD * of_total[0], None, None
