"""`accuracy beauty`: what a person reviews next, by sequence models and classical ones, beside published tables."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.accuracy_data import RECIPES
from benchmarks.accuracy_lists import Comparison, Entry, Published, compare
from benchmarks.accuracy_logs import BEAUTY, contents_of, log_folder
from benchmarks.accuracy_rows import ITEM_KNN, POPULARITY, ease, retrieval_of
from benchmarks.harness import Options
from benchmarks.result import Result
from shortlist.pipeline.api import load_recipe

METRICS = ("hit@10", "ndcg@10")
ESASREC = "as listed by eSASRec (arXiv 2508.06450, RecSys 2025)"
PUBLISHED: Mapping[str, Published] = {
    "SASRec, sampled softmax": Published(values=(0.0921, 0.0531), source=ESASREC),
    "eSASRec": Published(values=(0.0928, 0.0523), source=ESASREC),
    "HSTU": Published(values=(0.0788, 0.0439), source=ESASREC),
}
GOALS = {"SASRec with sampled softmax": PUBLISHED["SASRec, sampled softmax"].values}
RECIPE = "amazon_beauty"
ENTRIES: Mapping[str, Entry] = {
    "popularity": POPULARITY,
    "item_knn": ITEM_KNN,
    "ease": ease(50, 250, 1000),
    "sasrec": Entry(retrieval=retrieval_of(RECIPE), beside="SASRec, sampled softmax", within=20 * 60),
}
HOW = (
    "S3-Rec's file (CIKM 2020): each person's last review is the test, the one before it the validation, which is part "
    "of the history when the test is asked for. All 12,101 items are ranked, without those that the person has "
    "reviewed. Epochs and settings are chosen on validation; the test is measured once a seed.",
    "The settings of `sasrec` were chosen by hand, on validation with seed 0. NDCG@10 of validation: "
    "embedding_dim 64 with 2 blocks, dropout 0.2 and 256 negatives 0.0409 in the epoch with the best "
    "recall@100; in their best epochs embedding_dim 256 (as the configuration published with the paper has it) "
    "with 1 block and 1024 negatives 0.0639 with dropout 0.2, 0.0657 with 0.5, and 0.0697 with 0.5 and rates that fall "
    "to 0 by a cosine over 12 epochs. The two seeds that follow were not looked at. The machine was busy with other "
    "work while these rows were trained: their seconds are upper bounds.",
)


def comparison(options: Options) -> Comparison:
    """The table's models on the tables of `options`."""
    folder = log_folder(BEAUTY, options)
    return Comparison(
        data_set="beauty",
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
