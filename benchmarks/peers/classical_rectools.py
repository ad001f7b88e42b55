"""RecTools' EASE, and its item-kNN and ALS, which are implicit's behind its own preparation and ranking."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import EASEModel, ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel

from benchmarks.classical_task import (
    ALPHA,
    DIM,
    ITERATIONS,
    K1,
    L2,
    NEIGHBOURS,
    REGULARIZATION,
    B,
    Contestant,
    serve_classical,
)


def prepare(train_P2):
    """Its data set."""
    log = pd.DataFrame({Columns.User: train_P2[:, 0], Columns.Item: train_P2[:, 1], Columns.Weight: 1.0})
    log[Columns.Datetime] = pd.Timestamp("2020-01-01")
    return Dataset.construct(log)


def als(seed):
    """implicit's, wrapped."""
    model = AlternatingLeastSquares(
        factors=DIM,
        iterations=ITERATIONS,
        regularization=REGULARIZATION,
        alpha=ALPHA,
        random_state=seed,
        num_threads=1,
        use_gpu=False,
    )
    return ImplicitALSWrapperModel(model)


def recommend(asked, k):
    """All users in one call, without what they had."""
    _, model, dataset = asked
    users = dataset.user_id_map.external_ids
    found = model.recommend(users=np.sort(users), dataset=dataset, k=k, filter_viewed=True)
    item_UK = np.full((len(users), k), -1, np.int32)
    item_UK[found[Columns.User].to_numpy(), found[Columns.Rank].to_numpy() - 1] = found[Columns.Item].to_numpy()
    return item_UK


def contestant():
    """An item is a neighbour of itself here, so one more is asked for."""
    warnings.simplefilter("ignore")
    knn = NEIGHBOURS + 1
    return Contestant(
        prepare,
        {
            "item-kNN, cosine": lambda data, _: ImplicitItemKNNWrapperModel(CosineRecommender(knn, num_threads=1)).fit(
                data
            ),
            "item-kNN, BM25": lambda data, _: ImplicitItemKNNWrapperModel(
                BM25Recommender(knn, K1=K1, B=B, num_threads=1)
            ).fit(data),
            "EASE": lambda data, _: EASEModel(regularization=L2, recommend_n_threads=1).fit(data),
            "ALS": lambda data, seed: als(seed).fit(data),
        },
        recommend,
    )


if __name__ == "__main__":
    serve_classical(contestant, "rectools", "pm-implicit", "scipy", "numpy")
