"""The sections of a recipe. Every setting stands here once, with its default and its doc."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from shortlist.core.errors import Problem
from shortlist.core.settings import Contradictions, Settings
from shortlist.recipe.features import FeatureSetting
from shortlist.recipe.score import score_problems
from shortlist.recipe.sources import Data
from shortlist.recipe.split import Split
from shortlist.recipe.targets import TargetForms, is_weight, observed_problems, relevance_problems, weight_problems


class Schema(Settings):
    """Which columns play which part. A click log without users or times needs only a target."""

    user_id: str | None = None
    """Column with the user; for anonymous traffic the session."""
    item_id: str | None = None
    """Column with the item."""
    timestamp: str | None = None
    """Column with the time: seconds, milliseconds or microseconds since 1970, dates, or ISO 8601 text."""
    event: str | None = None
    """Column with the type of the event, such as view, cart, purchase: known of past events alone."""
    group: str | None = None
    """Column that says which rows were shown together, such as a display or a search: lists are measured within it."""
    weight: str | None = None
    """Column with a weight for each row's loss."""
    targets: TargetForms = {}
    """What to predict, as expressions over the columns: `liked = "rating >= 4"`. The first defines what is relevant.
    Others than true and false say their kind: `stars = {value = "rating / 5", kind = "regression"}`. Names have
    letters, digits, _ and -."""
    title: str | None = None
    """Column of the item table to show people."""


class Features(Settings):
    """Features of each side by name. A side left out is inferred from its table; an empty one has only the id."""

    user: dict[str, FeatureSetting] | None = None
    """Features from the user table."""
    item: dict[str, FeatureSetting] | None = None
    """Features from the item table."""
    context: dict[str, FeatureSetting] | None = None
    """Features from the event itself: known when the request is made, such as device, place or time."""


class Model(Settings):
    """A model of the catalogue by name; its own settings stand beside the name."""

    model_config = {**Settings.model_config, "extra": "allow"}

    name: str
    """Name in the catalogue: `shortlist doctor --models` lists them."""

    def settings(self) -> dict[str, Any]:
        """The settings beside the name."""
        return dict(self.model_extra or {})


_FOR_TABLES = ("rowwise_adagrad", "sparse_adam")


class Optimiser(Settings):
    """How one group of parameters is updated."""

    name: Literal["adamw", "adam", "adagrad", "rowwise_adagrad", "sparse_adam", "ftrl", "sgd"] = "adamw"
    """adamw, adam, adagrad, sgd; ftrl (FTRL-proximal, for the wide part); for tables rowwise_adagrad (one rate for each
    row) and sparse_adam (moments of the batch's rows alone)."""
    lr: float = Field(1e-3, gt=0)
    """Learning rate (alpha of FTRL)."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled decay, for adamw: of all rows of a table."""
    l2: float = Field(0.0, ge=0)
    """L2 penalty, whose gradient is added to the loss's: that of all rows of a table with adam and sgd, of the batch's
    rows alone with adagrad, rowwise_adagrad and sparse_adam; a term of its own in ftrl."""
    l1: float = Field(0.0, ge=0)
    """L1 penalty, for ftrl: exact zeros."""

    @model_validator(mode="after")
    def _penalties_are_used(self) -> Optimiser:
        if self.l1 > 0 and self.name != "ftrl":
            raise ValueError(
                f'only ftrl has an l1 penalty, and this is {self.name}: set name = "ftrl", or leave l1 out'
            )
        if self.weight_decay > 0 and self.name != "adamw":
            raise ValueError(f"only adamw has a weight_decay, and this is {self.name}: set l2 instead, or adamw")
        if self.l2 > 0 and self.name == "adamw":
            raise ValueError('adamw decays weights by weight_decay: set that instead of l2, or name = "adam"')
        return self


class Schedule(Settings):
    """How learning rates change as training goes on. FTRL, whose rates fall by themselves, is left out of it."""

    warmup: int = Field(0, ge=0)
    """Steps over which rates rise linearly to the optimiser's own."""
    decay: Literal["none", "linear", "cosine", "plateau"] = "none"
    """linear, cosine: down to 0 as the last epoch ends. plateau: times `factor` whenever the validation
    metric has not improved for `patience` epochs."""
    factor: float = Field(0.5, gt=0, lt=1)
    """For plateau: what rates are multiplied by."""
    patience: int = Field(1, ge=1)
    """For plateau: epochs without a better validation metric before rates fall; keep it below the stage's own."""


class Training(Settings):
    """What both stages share."""

    epochs: int = Field(10, ge=1)
    """Most passes over the training rows."""
    batch_size: int = Field(1024, ge=2)
    """Rows of a batch (positives, where negatives are sampled)."""
    patience: int = Field(2, ge=1)
    """Stop after this many epochs without a better validation metric; the best epoch is kept."""
    history: int = Field(50, ge=0)
    """How many of the user's events before this one the model sees."""
    buckets: bool = False
    """Batches of events with histories of like length: less of them is padding, and they are less mixed."""
    embedding: Optimiser = Optimiser(name="rowwise_adagrad", lr=0.05)
    """For embedding tables."""
    dense: Optimiser = Optimiser()
    """For everything else."""
    schedule: Schedule = Schedule()
    """How learning rates change as training goes on."""
    clip_norm: float | None = Field(None, gt=0)
    """Gradients are scaled down where their norm over all parameters is larger than this; default: never."""

    @field_validator("embedding", "dense", "wide", mode="before", check_fields=False)
    @classmethod
    def _of_the_default(cls, value: Any, info: ValidationInfo) -> Any:
        """`embedding = {lr = 0.1}` changes the rate of the group's own optimiser, and not which one it is."""
        if not isinstance(value, dict) or "name" in value:
            return value
        return {**cls.model_fields[str(info.field_name)].default.model_dump(), **value}

    @field_validator("dense")
    @classmethod
    def _not_for_tables(cls, value: Optimiser) -> Optimiser:
        if value.name in _FOR_TABLES:
            raise ValueError(f"{value.name} is for embedding tables, and these are layers: use adamw or adagrad")
        return value

    @field_validator("model", mode="before", check_fields=False)
    @classmethod
    def named(cls, value: Any) -> Any:
        """`model = "two_tower"` is short for `model = {name = "two_tower"}`; without a name it is the default model."""
        if isinstance(value, str):
            return {"name": value}
        return {"name": cls.model_fields["model"].default.name, **value} if isinstance(value, dict) else value


class Retrieval(Training):
    """The first stage: from the whole catalogue to some hundreds of candidates."""

    model: Model = Model(name="two_tower")
    """Which model, and its settings."""
    dense: Optimiser = Optimiser(lr=3e-3)
    """For everything but the embedding tables."""
    negatives: Literal["in_batch"] = "in_batch"
    """in_batch: every other item of the batch, corrected for its frequency (logQ)."""


class Negatives(Settings):
    """What the ranker learns to put below the relevant items."""

    sampled: int = Field(4, ge=0)
    """Sampled negatives for each positive; 0 for a log with real negatives, such as impressions without a click."""
    source: Literal["uniform", "popularity", "candidates"] = "candidates"
    """candidates: from the user's own retrieved candidates, what the ranker will meet in the funnel. Without retrieval,
    `popularity` takes its place."""
    observed: bool | None = None
    """Also learn from observed rows whose first target is 0; where none are sampled they always count. Default: where
    there are several targets, for rows whose first target is not 0 may tell nothing of the others."""
    keep: float = Field(1.0, gt=0, le=1)
    """Share of the observed rows whose first target is 0 that an epoch learns from, drawn anew for each; probabilities
    are corrected for it, which focal loss does not permit. `batch_size` counts the rows before it."""

    def with_observed(self, targets: Sized) -> bool:
        """Whether a ranker of these targets learns from, and is measured on, rows whose first target is 0 too."""
        if self.sampled == 0:
            return True
        return len(targets) > 1 if self.observed is None else self.observed


AFTER_TRAINING = frozenset({"calibration", "score"})
"""Settings of [ranking] that say how the trained model's outputs are read: with others it is not trained anew."""
LIST_LOSSES = ("bpr", "softmax")
"""Losses that compare a relevant row with the negatives sampled for it, and learn from no other row."""


class Ranking(Training):
    """The second stage: the order of the candidates."""

    model: Model = Model(name="wide_deep")
    """Which model, and its settings."""
    negatives: Negatives = Negatives()
    """Where negative examples come from."""
    loss: Literal["log_loss", "focal", "bpr", "softmax"] = "log_loss"
    """Of binary targets. log_loss: for probabilities. focal: looks most at rows that are still predicted badly. bpr,
    softmax: put each positive above the negatives sampled for it, and give no probabilities; later targets are compared
    within the same lists, so that rows whose first target is 0 teach them nothing."""
    focal_gamma: float = Field(2.0, ge=0)
    """For focal: how little rows count that are predicted well; 0 is log_loss."""
    loss_weights: dict[str, float] | Literal["uncertainty"] = {}
    """Weight of the loss of each target by name, 1 of those not named: `{click = 1, purchase = 5}`. uncertainty: the
    worse a target is predicted, the less it weighs, so that none drowns the others."""
    embedding: Optimiser = Optimiser(name="rowwise_adagrad", lr=0.02)
    """For embedding tables."""
    wide: Optimiser = Optimiser(name="ftrl", lr=0.05)
    """For the linear part."""
    calibration: Literal["none", "platt", "isotonic"] = "none"
    """How logits of binary targets become probabilities, fitted on validation rows. none: by their sigmoid. platt: by
    that of a straight line. isotonic: by any rising function, which takes some thousands of rows."""
    score: str | None = None
    """How a candidate is scored from the targets' predictions, such as `0.2 * click + purchase`: of a binary target its
    calibrated probability, of a regression its value. Default: by the first target's logit."""

    @field_validator("loss_weights", mode="before")
    @classmethod
    def _are_weights(cls, value: Any) -> Any:
        if value == "uncertainty" or (isinstance(value, dict) and all(map(is_weight, value.values()))):
            return value
        raise ValueError(
            'expected a number of 0 or more for targets by name, such as {click = 1, purchase = 5}, or "uncertainty", '
            f"found {value!r}"
        )

    @model_validator(mode="after")
    def _has_its_negatives(self) -> Ranking:
        drawn, keep = self.negatives.sampled, self.negatives.keep
        problems = []
        if self.loss in LIST_LOSSES and drawn == 0:
            what = f"{self.loss} compares a positive with the negatives sampled for it, and none are"
            problems.append(Problem("loss", f'{what}: set ranking.negatives.sampled = 4, or loss = "log_loss"'))
        if keep < 1 and drawn > 0:
            what = f"{keep:g} thins out a log's own negatives, and {drawn} are sampled for each positive besides"
            problems.append(Problem("negatives.keep", f"{what}: set ranking.negatives.sampled = 0, or leave keep out"))
        if keep < 1 and self.loss == "focal":
            what = f"{keep:g} moves probabilities, which log_loss can make good and focal cannot"
            problems.append(Problem("negatives.keep", f'{what}: set ranking.loss = "log_loss", or leave keep out'))
        if problems:
            raise Contradictions(*problems)
        return self


class Funnel(Settings):
    """How an answer is made: candidates, filter, rank."""

    candidates: int = Field(500, ge=1)
    """How many candidates the first stage hands to the second."""
    exclude_seen: bool = True
    """Leave out what the user has already interacted with."""
    retrieval_weight: float | Literal["auto"] = "auto"
    """Final score = ranker's logit + this weight x retrieval score (standardised within the request, as is the ranker's
    where `ranking.score` says it). auto: the best of a small grid on validation."""

    @field_validator("retrieval_weight")
    @classmethod
    def _not_negative(cls, value: float | str) -> float | str:
        if not isinstance(value, str) and value < 0:
            raise ValueError("must not be negative")
        return value


class Evaluation(Settings):
    """What is measured on the held-out users."""

    metrics: tuple[str, ...] = (
        "recall@20",
        "recall@100",
        "ndcg@10",
        "ndcg@20",
        "map@12",
        "hit@10",
    )
    """Metrics of ranked lists, each over all held-out users."""
    max_users: int | None = Field(None, ge=1)
    """Evaluate on a random sample of this many users; default all."""


class Compute(Settings):
    """Where the work runs. Nothing else in the recipe changes with it."""

    engine: Literal["duckdb", "spark"] = "duckdb"
    """Engine for the tables."""
    spark_master: str = "local[2]"
    """Master of the Spark session, for `spark`, when no session exists yet."""
    threads: int | None = Field(None, ge=1)
    """Threads for tables and training; default: all cores of the machine."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models train; auto takes a GPU when there is one."""
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = "auto"
    """Of the layers' products; weights stay fp32, fp16 scales its loss. auto: what the device is fastest at without
    losing quality."""
    compile: bool = False
    """Compile the layers with torch.compile: a minute at the start, then steps about a tenth faster on a CPU. Needs a
    C++ compiler."""
    embeddings: Literal["memory", "mapped"] = "memory"
    """mapped: embedding tables live in files and may be larger than memory; on a CPU, with optimisers that update the
    batch's rows alone. A row that training never met counts as zeros."""
    prefetch: int | None = Field(None, ge=0)
    """Batches made ready in the background. Default: 2 where a GPU computes or shards are fetched, and none where the
    same cores would do both."""
    checkpoint_seconds: float = Field(60.0, ge=0)
    """Least time between two checkpoints, from which a run that was stopped goes on; 0: at every step."""
    shards: str | None = None
    """Where the prepared events live, such as `s3://bucket/folder`; default: in the run's folder. Any file system that
    fsspec knows."""
    cache_gib: float = Field(20.0, gt=0)
    """Most space on the local disk for shards that are fetched from there, in GiB."""


class Recipe(Settings):
    """Everything about one recommender."""

    name: str = Field("shortlist", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Name of the run's folder; by default the recipe file's name."""
    seed: int = Field(0, ge=0)
    """Seed of every random choice."""
    data: Data
    """Where the tables are."""
    schema_: Schema = Field(alias="schema")
    """Which columns play which part."""
    features: Features = Features()
    """What the models see."""
    split: Split = Split()
    """How rows are held out."""
    retrieval: Retrieval | None = None
    """The first stage. With neither stage named, both are built where the data permits."""
    ranking: Ranking | None = None
    """The second stage."""
    funnel: Funnel = Funnel()
    """How an answer is made."""
    evaluation: Evaluation = Evaluation()
    """What is measured."""
    compute: Compute = Compute()
    """Where the work runs."""

    @field_validator("split")
    @classmethod
    def _as_the_files_say(cls, value: Split, info: ValidationInfo) -> Split:
        data = info.data.get("data")
        return value.of_parts() if isinstance(data, Data) and data.interactions.parts else value

    @model_validator(mode="before")
    @classmethod
    def _default_stages(cls, values: Any) -> Any:
        return values if not isinstance(values, dict) or names_stages(values) else with_default_stages(values)

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        targets, ranking = self.schema_.targets, self.ranking
        negatives = ranking.negatives if ranking else Negatives(sampled=0)
        uses = {
            "[retrieval]": self.retrieval is not None,
            "ranking.negatives.sampled": negatives.sampled > 0,
            "ranking.negatives.keep": negatives.keep < 1,
        }
        problems = relevance_problems(targets, [setting for setting, is_used in uses.items() if is_used])
        if ranking is not None:
            problems += weight_problems(targets, ranking.loss_weights)
            if ranking.loss in LIST_LOSSES and negatives.observed:
                problems += observed_problems(targets, ranking.loss)
            problems += score_problems(targets, ranking.score)
        if problems:
            raise Contradictions(*problems)
        return self


def names_stages(values: Mapping[str, Any]) -> bool:
    """Whether a recipe says which stages it has."""
    return bool({"retrieval", "ranking"} & values.keys())


def with_default_stages(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a recipe with both stages: retrieval where there are users and items, and a ranker."""
    roles = values.get("schema")
    has_both = isinstance(roles, Mapping) and {"user_id", "item_id"} <= roles.keys()
    return {"ranking": {}, **({"retrieval": {}} if has_both else {}), **values}
