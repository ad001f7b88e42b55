"""`accuracy diginetica`: the next click of an anonymous session, beside the published tables."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.accuracy_data import RECIPES
from benchmarks.accuracy_lists import Comparison, Entry, Published, compare
from benchmarks.accuracy_logs import DIGINETICA, contents_of, log_folder
from benchmarks.accuracy_rows import ITEM_KNN, POPULARITY, retrieval_of, trying
from benchmarks.harness import Options
from benchmarks.result import Result
from shortlist.pipeline.api import load_recipe

METRICS = ("hit@20", "mrr@20")
PUBLISHED: Mapping[str, Published] = {
    "SR-GNN": Published(values=(0.5073, 0.1759), source="Wu et al., AAAI 2019"),
    "GCE-GNN": Published(values=(0.5422, 0.1904), source="Wang et al., SIGIR 2020"),
}
GOALS = {"SR-GNN": PUBLISHED["SR-GNN"].values}
RECIPE = "diginetica"
SASREC = retrieval_of(RECIPE)
ENTRIES: Mapping[str, Entry] = {
    "popularity": POPULARITY,
    "item_knn": ITEM_KNN,
    "item_knn+half_life": trying(ITEM_KNN, "half_life", (0.5, 1, 2)),
    "gru4rec": Entry(retrieval={**SASREC, "model": {"name": "gru4rec", "embedding_dim": 128}}),
    "sasrec": Entry(retrieval=SASREC, beside="SR-GNN"),
}
HOW = (
    "Sessions and test as SR-GNN (AAAI 2019) and GCE-GNN (SIGIR 2020) have published them: each of 60,858 clicks of "
    "the test sessions is to be foretold from those before it, of all goods, those of the session among them. hit@20 "
    "is what they call P@20. The last tenth of the training sessions is for validation; the settings and the number "
    "of epochs that are best on it are then trained once on all training sessions, and the test is measured once a "
    "seed. The width, the one block and the 8 epochs of `sasrec` were set by hand, by its first epochs on validation.",
)


def comparison(options: Options) -> Comparison:
    """The table's models on the tables of `options`."""
    folder = log_folder(DIGINETICA, options)
    return Comparison(
        data_set="diginetica",
        recipe=load_recipe(RECIPES / f"{RECIPE}.toml", data_dir=folder),
        data=contents_of(folder),
        entries=ENTRIES,
        metrics=METRICS,
        refit=True,
        published=PUBLISHED,
        goals=GOALS,
        how=HOW,
    )


def run(options: Options) -> Result:
    """Choose, train and measure what is asked for."""
    return compare(comparison(options), options)
