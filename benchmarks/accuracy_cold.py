"""`accuracy cold`: users and items of MovieLens-1M that training never met, beside the same ones when it did.

Legend: n ratings, U users, K list positions.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.accuracy_choice import refuse
from benchmarks.accuracy_data import RECIPES, contents, movielens_files
from benchmarks.accuracy_lists import DECIDES_ALONG
from benchmarks.accuracy_parts import code
from benchmarks.accuracy_rows import ADAM, FALLING
from benchmarks.accuracy_table import table
from benchmarks.harness import Options, say
from benchmarks.result import Result
from shortlist.bundle.past_events import Event
from shortlist.bundle.recommender import Recommender
from shortlist.core.files import fingerprint, whole_folder
from shortlist.core.progress import Terminal
from shortlist.core.seeding import stream
from shortlist.metrics._interval import mean_interval
from shortlist.metrics._names import METRICS
from shortlist.pipeline import Run
from shortlist.pipeline.api import load_recipe
from shortlist.recipe.sections import Recipe
from shortlist.schema import Side

UNIT = "recall@20 of held-out users with 20 events / recall@20 of the same users in training"
HELD_OUT = 0.1
"""Share of the users, and of the items, that training does not meet."""
LATER = 0.2
"""Share of each user's ratings, the last ones, that the lists are judged by."""
FEWEST = 25
"""Ratings before those that a user has who is asked for."""
EVENTS = (0, 1, 5, 20)
"""Of how many of their latest events held-out users tell."""
TOWERS: Mapping[str, Any] = {"name": "two_tower", "dim": 64, "embedding_dim": 64}
SEQUENCES: Mapping[str, Any] = {
    **ADAM,
    **FALLING,
    "epochs": 10,
    "patience": 10,
    "batch_size": 128,
    "history": 100,
    "negatives": {"source": "uniform", "count": 512},
}
FORGETFUL = "two_tower, id_dropout 0.1"
"""The model that `serve_newcomers` asks."""
MODELS: Mapping[str, Mapping[str, Any]] = {
    "two_tower": {"model": TOWERS},
    FORGETFUL: {"model": {**TOWERS, "id_dropout": 0.1}},
    "sasrec, item_features": {**SEQUENCES, "model": {"name": "sasrec", "item_features": True, "id_dropout": 0.1}},
}
"""What each has beside the [retrieval] of recipes/movielens_1m.toml."""
SHOWN = ("recall@20", "recall@100", "ndcg@20")
DEPTH = 100
BATCH = 512
QUICK_USERS = 300
LIKED = 4
Bools = npt.NDArray[np.bool_]
HOW = (
    f"A tenth of the users and a tenth of the films are drawn by the seed. Of each user the last {LATER:.0%} of the "
    "ratings are kept from every training; those of 4 and 5 stars among them are the truth. Each model is trained "
    "twice, with what [retrieval] of recipes/movielens_1m.toml says but for its own settings: on everything before, "
    "and without the drawn users and films, whose ratings and rows in the tables of users and films are left out. "
    "Retrieval alone answers, ranking the whole catalogue; what a user rated before is left out of lists and truth. "
    "One seed; intervals are 95 %, over users.",
    "Users: a held-out user is asked for by gender, age, occupation and zip code, and by the last 0 to 20 ratings; the "
    "same users when they were in training are asked for by their id. Lists and truth are of the films in training.",
    "Films: held-out films are added to the finished bundle from year and genres with `Recommender.with_items`. Users "
    "of the training are asked for; lists are of all films, truth are the held-out ones alone.",
)


@dataclass(frozen=True)
class World:
    """The ratings, each user's in order, and what of them is held out."""

    files: Mapping[str, Path]
    ratings: pa.Table
    is_later_n: Bools
    new_users: npt.NDArray[np.int64]
    new_items: npt.NDArray[np.int64]

    @classmethod
    def of(cls, files: Mapping[str, Path], options: Options, fold: int = 0) -> World:
        """Drawn by the seed; the held-out users of one fold are not those of another, the items are the same."""
        ratings = pq.read_table(files["ratings"], columns=["user_id", "movie_id", "rating", "timestamp"])
        ratings = ratings.sort_by([("user_id", "ascending"), ("timestamp", "ascending")])
        users, items = (np.unique(ratings[name].to_numpy()) for name in ("user_id", "movie_id"))
        random = stream(options.seed, "cold")
        if options.quick:
            users = np.sort(random.choice(users, QUICK_USERS, replace=False))
            ratings = ratings.filter(pc.is_in(ratings["user_id"], pa.array(users)))
        place_n, count_n = _places(ratings["user_id"].to_numpy())
        folds, (new_items, *_) = (_parts(random.permutation(ids)) for ids in (users, items))
        is_later_n = place_n >= np.floor((1 - LATER) * count_n)
        return cls(files, ratings, is_later_n, folds[fold], new_items)

    @cached_property
    def is_new_item_n(self) -> Bools:
        """Of each rating whether its film is held out."""
        return np.isin(self.ratings["movie_id"].to_numpy(), self.new_items)

    def write(self, folder: Path, whole: bool) -> None:
        """The tables of a training, with everything or without what is held out."""
        left_out = {} if whole else {"user_id": self.new_users, "movie_id": self.new_items}
        for name, columns in (("ratings", ("user_id", "movie_id")), ("users", ("user_id",)), ("movies", ("movie_id",))):
            rows = self.ratings.filter(pa.array(~self.is_later_n)) if name == "ratings" else self.table(name)
            for column in left_out.keys() & set(columns):
                rows = rows.filter(pa.array(~np.isin(rows[column].to_numpy(), left_out[column])))
            pq.write_table(rows, folder / f"{name}.parquet")

    def table(self, name: str) -> pa.Table:
        """Users or films as they are."""
        return pq.read_table(self.files[name])


@dataclass(frozen=True)
class Asked:
    """Some users, and what their lists are judged by."""

    users: Sequence[int]
    before: Sequence[Sequence[Event]]
    """Of each user the events before the list is asked for, oldest first."""
    time_U: Sequence[int]
    """When it is: at the first of the later events."""
    truth: Sequence[frozenset[int]]
    excluded: frozenset[int]
    """Items that no list may have."""

    @classmethod
    def of(cls, world: World, users: npt.NDArray[np.int64], *, new_items: bool) -> Asked:
        """Those of `users` with enough before and any truth, among the new items or among the others."""
        columns = {name: world.ratings[name].to_numpy() for name in world.ratings.column_names}
        counts = world.is_new_item_n if new_items else ~world.is_new_item_n
        is_truth_n = world.is_later_n & counts & (columns["rating"] >= LIKED)
        bounds = np.searchsorted(columns["user_id"], np.stack([users, users + 1], axis=1))
        found = []
        for user, (start, stop) in zip(users.tolist(), bounds, strict=True):
            rows = np.arange(start, stop)
            truth = frozenset(columns["movie_id"][rows[is_truth_n[rows]]].tolist())
            # A held-out film is no part of a history: the training without it does not know it.
            known = rows[~world.is_later_n[rows] & ~world.is_new_item_n[rows]]
            if truth and len(known) >= FEWEST:
                events = [Event(int(columns["movie_id"][row]), None, int(columns["timestamp"][row])) for row in known]
                later = rows[world.is_later_n[rows]]
                found.append((user, events, int(columns["timestamp"][later[0]]), truth))
        excluded = frozenset[int]() if new_items else frozenset(world.new_items.tolist())
        ids, before, times, truths = (list(part) for part in zip(*found, strict=True))
        return cls(ids, before, times, truths, excluded)

    def measure(self, recommender: Recommender, stages: str, told: int | None, people: pa.Table) -> dict[str, Any]:
        """The metrics of lists asked for by id, or with `told` as strangers with features and so many events."""
        hits, relevant = [], []
        for start in range(0, len(self.users), BATCH):
            part = slice(start, start + BATCH)
            left_out = [[event.item for event in events] + list(self.excluded) for events in self.before[part]]
            about: dict[str, Any] = {"context": {"timestamp": self.time_U[part]}, "exclude": left_out}
            if told is not None:
                about["user_features"] = _features(people, self.users[part])
                about["history"] = [events[len(events) - told :] for events in self.before[part]]
            users = self.users[part] if told is None else [None] * len(self.users[part])
            found = recommender.run(recommender.requests(users, **about), DEPTH, stages)
            keys_UK = recommender.bundle.item_keys.take(pa.array(found.item_UK.ravel())).to_numpy(zero_copy_only=False)
            rows = zip(self.truth[part], keys_UK.reshape(found.item_UK.shape), strict=True)
            hits += [np.array([key in truth for key in keys_K]) for truth, keys_K in rows]
            relevant += [len(truth) for truth in self.truth[part]]
        return {name: _estimate(name, np.stack(hits), np.array(relevant)) for name in SHOWN}


def run(options: Options) -> Result:
    """Train each model with and without what is held out, and ask it."""
    for given, name in ((options.peers, "--peers"), (options.peer_seeds, "--peer-seeds"), (options.models, "--models")):
        refuse(given, name, "cold compares each model with itself")
    refuse(options.seeds, "--seeds", "cold trains each model once; --seed says with which seed")
    files = movielens_files(options)
    world = World.of(files, options)
    base = trainings(files, options)
    users: dict[str, dict[str, Any]] = {}
    items: dict[str, dict[str, Any]] = {}
    for model in MODELS:
        whole, cold = (trained(world, base, model, options, whole=whole) for whole in (True, False))
        users |= {f"{model}: {asked}": row for asked, row in of_users(world, whole, cold).items()}
        items |= {f"{model}: {asked}": row for asked, row in of_items(world, whole, cold).items()}
    shares = [
        users[f"{model}: held out, {EVENTS[-1]} events"]["recall@20"]["value"]
        / max(users[f"{model}: the same in training"]["recall@20"]["value"], 1e-9)
        for model in MODELS
    ]
    return Result(
        name="accuracy",
        passed=True,
        unit=UNIT,
        ours=max(shares),
        details={
            "data_set": "cold",
            "tables": [table("Held-out users", users), table("Held-out films", items)],
            "settings": {**MODELS, "drawn": {"held_out": HELD_OUT, "later": LATER}},
            "how": HOW,
        },
    )


def trainings(files: Mapping[str, Path], options: Options) -> Path:
    """The folder of the trainings of this data, seed and code; those of others are removed."""
    base = options.folder("accuracy/cold" + ("/quick" if options.quick else ""))
    mark = fingerprint([contents(files), options.seed, code(*DECIDES_ALONG)])
    for other in base.glob("run-*"):
        if other.name != f"run-{mark}":
            shutil.rmtree(other)
    return base / f"run-{mark}"


def of_users(world: World, whole: Recommender, cold: Recommender) -> dict[str, dict[str, Any]]:
    """Held-out users, the same ones in training, and the others."""
    everyone = np.unique(world.ratings["user_id"].to_numpy()).astype(np.int64)
    asked, people = Asked.of(world, world.new_users, new_items=False), world.table("users")
    others = Asked.of(world, np.setdiff1d(everyone, world.new_users), new_items=False)
    told = {f"held out, {count} events": asked.measure(cold, "retrieval", count, people) for count in EVENTS}
    return {
        "popularity": asked.measure(cold, "popularity", 0, people),
        **told,
        "the same in training": asked.measure(whole, "retrieval", None, people),
        "the others, without the held-out": others.measure(cold, "retrieval", None, people),
    }


def of_items(world: World, whole: Recommender, cold: Recommender) -> dict[str, dict[str, Any]]:
    """Held-out films, and the same ones in training."""
    everyone = np.unique(world.ratings["user_id"].to_numpy()).astype(np.int64)
    asked = Asked.of(world, np.setdiff1d(everyone, world.new_users), new_items=True)
    films, people = world.table("movies"), world.table("users")
    held_out = films.filter(pc.is_in(films["movie_id"], pa.array(world.new_items, films["movie_id"].type)))
    read = cold.bundle.recipe.schema_
    columns = [name for name in films.column_names if name in (*item_sources(cold), read.item_id, read.title)]
    more = cold.with_items(held_out.select(columns))
    return {
        "popularity, in training": asked.measure(whole, "popularity", None, people),
        "held out, by features": asked.measure(more, "retrieval", None, people),
        "the same in training": asked.measure(whole, "retrieval", None, people),
    }


def item_sources(recommender: Recommender) -> tuple[str, ...]:
    """Columns that item features read."""
    return recommender.bundle.encoders[Side.ITEM].sources


def trained(world: World, base: Path, model: str, options: Options, *, whole: bool) -> Recommender:
    """The bundle of one training, of everything or without what is held out."""
    name = "whole" if whole else "cold"
    say(f"{model}, {name}:")
    tables = base / name
    if not tables.is_dir():
        with whole_folder(tables) as draft:
            world.write(draft, whole)
    place = base / f"{name}-{list(MODELS).index(model)}"
    run = Run(recipe_of(tables, MODELS[model], options), place, Terminal())
    run.walk("export")
    return run.recommender()


def recipe_of(tables: Path, settings: Mapping[str, Any], options: Options) -> Recipe:
    """Retrieval of recipes/movielens_1m.toml with other settings."""
    recipe = load_recipe(RECIPES / "movielens_1m.toml", data_dir=tables)
    values = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    small = {"epochs": 1} if options.quick else {}
    retrieval = {**values["retrieval"], **settings, **small}
    left = {name: section for name, section in values.items() if name != "ranking"}
    return Recipe.model_validate({**left, "seed": options.seed, "retrieval": retrieval})


def _parts(ids: npt.NDArray[Any]) -> list[npt.NDArray[np.int64]]:
    """The ids in parts of a held-out share each, every part in order."""
    size = int(HELD_OUT * len(ids))
    return [np.sort(ids[start : start + size]).astype(np.int64) for start in range(0, len(ids) - size + 1, size)]


def _places(user_n: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The place of each rating among its user's, which stand together, and how many those are."""
    _, start, counts = np.unique(user_n, return_index=True, return_counts=True)
    return np.arange(len(user_n)) - np.repeat(start, counts), np.repeat(counts, counts)


def _features(people: pa.Table, users: Sequence[int]) -> dict[str, list[Any]]:
    """Columns of these users' rows that the recipe reads."""
    places = pc.index_in(pa.array(users, people["user_id"].type), value_set=people["user_id"].combine_chunks())
    return {name: people[name].take(places).to_pylist() for name in ("gender", "age", "occupation", "zip_code")}


def _estimate(metric: str, hits_UK: Bools, relevant_U: npt.NDArray[np.int64]) -> dict[str, Any]:
    name, k = metric.split("@")
    return mean_interval(METRICS[name](hits_UK, relevant_U, int(k))).as_dict()
