"""`accuracy movielens_sasrec`: the next film that a person rates, of all films, beside the published table."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.accuracy_data import RECIPES
from benchmarks.accuracy_lists import Comparison, Entry, Published, Settings, compare
from benchmarks.accuracy_logs import SASREC, contents_of, log_folder
from benchmarks.accuracy_rows import ITEM_KNN, POPULARITY, ease, retrieval_of
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
RECIPE = "movielens_1m_sequences"
SETTINGS = retrieval_of(RECIPE)
GRU4REC = {**SETTINGS, "epochs": 40, "patience": 40, "model": {"name": "gru4rec", "dropout": 0.1}}


def trained(retrieval: Settings, beside: str) -> Entry:
    """A sequence model in float32: products of width 64 are slower in bf16, also where there are tiles for it."""
    return Entry(retrieval=retrieval, recipe={"compute": {"precision": "fp32"}}, beside=beside)


ENTRIES: Mapping[str, Entry] = {
    "popularity": POPULARITY,
    "item_knn": ITEM_KNN,
    "ease": ease(100, 250, 1000),
    "gru4rec": trained(GRU4REC, "GRU4Rec, CE"),
    "sasrec": trained(SETTINGS, "SASRec+, CE"),
    "sasrec+3000": trained({**SETTINGS, "negatives": SAMPLED}, "SASRec+, 3000 negatives"),
}
HOW = (
    "SASRec's file (ICDM 2018): each person's last rating is the test, the one before it the validation, which is part "
    "of the history when the test is asked for. All 3,416 films are ranked, without those that the person has rated. "
    "The epoch is chosen on validation; the test is measured once a seed.",
    "`sasrec` has the published width, blocks and dropout, and as many epochs at most (antklen/sasrec-bert4rec-"
    "recsys23, SASRec.yaml); set by hand, from validation curves, are batches of 64 for 128, and rates that fall to 0 "
    "by the last epoch. It learns from all that a person rated, in pieces of 200; the published ones from the last "
    "200. The test of 25 epochs with batches of 32 and a dropout of .2 had been seen before (.284 and .163). The 40 "
    "epochs of `gru4rec` are what was affordable. Seconds are those of a core that other work had a good part of: "
    "where one other training ran, an epoch of `sasrec` took three quarters of a minute.",
)


def comparison(options: Options) -> Comparison:
    """The table's models on the tables of `options`."""
    folder = log_folder(SASREC, options)
    return Comparison(
        data_set="movielens_sasrec",
        recipe=load_recipe(RECIPES / f"{RECIPE}.toml", data_dir=folder),
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
