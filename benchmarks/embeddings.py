"""Item vectors as learned models leave them, and queries: hard to search, as real ones are.

Well-separated clusters prove nothing of an index: any finds them. Here items lie between two topics each, topics
overlap, the further a dimension the less it varies (by 1 / its place to the power .9), and lengths differ by a
log-normal factor of sigma .4, unless all are to be of one length. At 41 thousand items more of 1024 lists must be
searched than for the item factors of BPR and of ALS (64 dimensions) learned on Gowalla's check-ins.

Legend: I item rows, of which row 0 is none, S items a query is near, Q queries, D dim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shortlist.features.rows import Floats, RaggedBag

DIM = 64
SEEN = 5
"""Items that a query is made of, and must not find."""


@dataclass(frozen=True)
class Embeddings:
    """Vectors of items, and queries with what each must not find."""

    vectors_ID: Floats
    query_QD: Floats
    seen: RaggedBag


def embeddings(items: int, queries: int, seed: int, of_one_length: bool = False) -> Embeddings:
    """`items` items and `queries` queries; a query is the mean of five items and some noise."""
    random = np.random.default_rng([seed, items, of_one_length])
    spread_D = (np.arange(1, DIM + 1) ** -0.9).astype(np.float32)
    topics = max(50, items // 100)
    topic_TD = random.standard_normal((topics, DIM), np.float32) * spread_D
    share_T = 1 / np.arange(1, topics + 1) ** 0.7
    first_I, second_I = (random.choice(topics, items, p=share_T / share_T.sum()) for _ in range(2))
    between_I1 = random.random((items, 1), np.float32)
    vectors_ID = between_I1 * topic_TD[first_I] + (1 - between_I1) * topic_TD[second_I]
    vectors_ID += 0.4 * random.standard_normal((items, DIM), np.float32) * spread_D
    vectors_ID /= np.linalg.norm(vectors_ID, axis=1, keepdims=True)
    if not of_one_length:
        vectors_ID *= np.exp(0.4 * random.standard_normal((items, 1), np.float32))
    seen_QS = random.integers(0, items, (queries, SEEN))
    query_QD = vectors_ID[seen_QS].mean(axis=1) + 0.3 * random.standard_normal((queries, DIM), np.float32) * spread_D
    vectors_ID = np.concatenate([np.zeros((1, DIM), np.float32), vectors_ID])
    return Embeddings(vectors_ID, query_QD.astype(np.float32), RaggedBag.of(list(seen_QS + 1)))
