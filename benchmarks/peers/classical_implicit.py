"""implicit's item-kNN and ALS, on one thread."""

from __future__ import annotations

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from scipy.sparse import csr_matrix

from benchmarks.classical_task import (
    ALPHA,
    DIM,
    ITERATIONS,
    K1,
    NEIGHBOURS,
    REGULARIZATION,
    B,
    Contestant,
    serve_classical,
)


def prepare(train_P2):
    """Users by items, as it takes them."""
    return csr_matrix((np.ones(len(train_P2), np.float32), (train_P2[:, 0], train_P2[:, 1])))


def fit(build):
    """The model that `build` makes for a seed, fitted."""

    def fitted(user_items, seed):
        model = build(seed)
        model.fit(user_items, show_progress=False)
        return model

    return fitted


def recommend(asked, k):
    """All users in one call, without what they had; as many as are left where these are fewer."""
    _, model, user_items = asked
    return model.recommend(np.arange(user_items.shape[0]), user_items, N=k)[0]


def contestant():
    """An item is a neighbour of itself here, so one more is asked for."""
    return Contestant(
        prepare,
        {
            "item-kNN, cosine": fit(lambda _: CosineRecommender(K=NEIGHBOURS + 1, num_threads=1)),
            "item-kNN, BM25": fit(lambda _: BM25Recommender(K=NEIGHBOURS + 1, K1=K1, B=B, num_threads=1)),
            "ALS": fit(
                lambda seed: AlternatingLeastSquares(
                    factors=DIM,
                    iterations=ITERATIONS,
                    regularization=REGULARIZATION,
                    alpha=ALPHA,
                    random_state=seed,
                    num_threads=1,
                )
            ),
        },
        recommend,
    )


if __name__ == "__main__":
    serve_classical(contestant, "implicit", "scipy", "numpy")
