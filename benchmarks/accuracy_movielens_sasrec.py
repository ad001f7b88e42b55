"""`accuracy movielens_sasrec`: the next film that a person rates, of all films, beside the published table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.accuracy_data import RECIPES
from benchmarks.accuracy_lists import Comparison, Entry, Published, compare
from benchmarks.accuracy_logs import SASREC, contents_of, log_folder
from benchmarks.accuracy_rows import FALLING, ITEM_KNN, POPULARITY, ease, sequences
from benchmarks.harness import Options
from benchmarks.result import Result
from shortlist.pipeline.api import load_recipe

METRICS = ("hit@10", "ndcg@10")
TABLE = "Klenitskiy and Vasilev, RecSys 2023"
PUBLISHED: Mapping[str, Published] = {
    "SASRec, BCE": Published(values=(0.2500, 0.1341), source=TABLE),
    "GRU4Rec, CE": Published(values=(0.2811, 0.1648), source=TABLE),
    "SASRec+, CE": Published(values=(0.3152, 0.1821), source=TABLE),
    "SASRec+, 3000 negatives": Published(values=(0.3159, 0.1857), source=TABLE),
}
GOALS = {"SASRec+ with 3000 negatives": PUBLISHED["SASRec+, 3000 negatives"].values}
SAMPLED = {"source": "uniform", "count": 3000}
TRAINED = {**FALLING, "epochs": 25, "batch_size": 32, "patience": 25, "history": 200}
ENTRIES: Mapping[str, Entry] = {
    "popularity": POPULARITY,
    "item_knn": ITEM_KNN,
    "ease": ease(100, 250, 1000),
    "gru4rec": replace(sequences("gru4rec", "catalogue", **TRAINED), beside="GRU4Rec, CE"),
    "sasrec": replace(sequences("sasrec", "catalogue", **TRAINED), beside="SASRec+, CE"),
    "sasrec+3000": replace(sequences("sasrec", SAMPLED, **TRAINED), beside="SASRec+, 3000 negatives"),
}
HOW = (
    "SASRec's file (ICDM 2018): each person's last rating is the test, the one before it the validation, which is part "
    "of the history when the test is asked for. All 3,416 films are ranked, without those that the person has rated. "
    "Epochs and settings are chosen on validation; the test is measured once a seed. The 25 epochs are what was "
    "affordable.",
)


def comparison(options: Options) -> Comparison:
    """The table's models on the tables of `options`."""
    folder = log_folder(SASREC, options)
    return Comparison(
        data_set="movielens_sasrec",
        recipe=load_recipe(RECIPES / "movielens_1m_sequences.toml", data_dir=folder),
        data=contents_of(folder),
        entries=ENTRIES,
        metrics=METRICS,
        refit=False,
        published=PUBLISHED,
        goals=GOALS,
        how=HOW,
    )


def run(options: Options) -> Result:
    """Choose, train and measure what is asked for."""
    return compare(comparison(options), options)
