"""Why an item is on a list: who proposed it, how each stage scored it, what of the history is like it, which rules.

Legend: U requests, K list positions, H items of a history, I item rows, D dim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from shortlist.bundle.read import Bundle
from shortlist.features.rows import Floats, Ints
from shortlist.funnel.columns import Candidates, Requests, Source
from shortlist.funnel.rules.said import said_of
from shortlist.funnel.sources.towers import TowerSource

NEAREST = 3
"""Most items of the history that are named for one recommendation."""
_LATEST = 200
"""Different items of a history that are compared with a recommendation."""


@dataclass(frozen=True, slots=True)
class Near:
    """An item of the user's history."""

    item_id: int | str
    cosine: float
    """Between its vector and that of the recommended item."""
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why one item is where it is."""

    sources: tuple[str, ...]
    """All candidate sources that proposed it."""
    retrieval: float
    """Score of the retrieval stage."""
    ranking: float | None
    """Score of the ranking model; None where the bundle has none."""
    final: float
    """What it was ordered by in the end."""
    history: tuple[Near, ...]
    """Items of the user's history that are nearest to it, at most 3; none where no source has a candidate tower."""
    rules: tuple[str, ...]
    """What rules made of it."""


def reasons(bundle: Bundle, sources: Sequence[Source], requests: Requests, found: Candidates) -> list[list[Reasons]]:
    """Those of every valid candidate of each request, in their order."""
    towers = next((source for source in sources if isinstance(source, TowerSource)), None)
    explained = []
    for u, valid_K in enumerate(found.valid_UK):
        places = np.flatnonzero(valid_K)
        item_K = found.item_UK[u, places]
        near = [()] * len(places) if towers is None else _near(bundle, towers.vectors_ID, _history(requests, u), item_K)
        explained.append([_of_one(found, u, int(i), close) for i, close in zip(places, near, strict=True)])
    return explained


def _of_one(found: Candidates, u: int, i: int, near: tuple[Near, ...]) -> Reasons:
    bits = int(found.proposed_UK[u, i])
    return Reasons(
        sources=tuple(name for place, name in enumerate(found.sources) if bits >> place & 1),
        retrieval=float(found.columns["retrieval"][u, i]),
        ranking=float(found.columns["ranking"][u, i]) if "ranking" in found.columns else None,
        final=float(found.score_UK[u, i]),
        history=near,
        rules=said_of({name: float(values[u, i]) for name, values in found.columns.items()}),
    )


def _history(requests: Requests, u: int) -> Ints:
    """The latest items, each once, the latest first."""
    bag = requests.history.items
    latest = bag.values[bag.offsets_n[u] : bag.offsets_n[u + 1]][::-1].tolist()
    return np.array(list(dict.fromkeys(row for row in latest if row > 0))[:_LATEST], np.int32)


def _near(bundle: Bundle, vectors_ID: Floats, history_H: Ints, item_K: Ints) -> list[tuple[Near, ...]]:
    history_H = history_H[history_H < len(vectors_ID)]
    cosine_KH = _directions(vectors_ID[item_K]) @ _directions(vectors_ID[history_H]).T
    best_KH = np.argsort(-cosine_KH, axis=1, kind="stable")[:, :NEAREST]
    keys = bundle.item_keys.take(pa.array(history_H)).to_pylist()
    titles = bundle.titles.take(pa.array(history_H)).to_pylist()
    return [
        tuple(Near(keys[h], float(cosine_H[h]), titles[h]) for h in best_H.tolist() if cosine_H[h] > 0)
        for cosine_H, best_H in zip(cosine_KH, best_KH, strict=True)
    ]


def _directions(vectors_KD: Floats) -> Floats:
    """Of length 1; an empty vector stays so, and is like nothing."""
    length_K1 = np.linalg.norm(vectors_KD, axis=1, keepdims=True)
    zeros_KD = np.zeros(vectors_KD.shape, np.float32)
    return np.asarray(np.divide(vectors_KD, length_K1, out=zeros_KD, where=length_K1 > 0))
