"""The sections of a recipe. Every setting stands here once, with its default and its doc."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from shortlist.core.errors import Problem
from shortlist.core.settings import Contradictions, Settings
from shortlist.recipe.features import FeatureSetting
from shortlist.recipe.index import Index
from shortlist.recipe.ranking import LIST_LOSSES, Negatives, Ranking
from shortlist.recipe.retrieval import Retrieval, Source, SourceName, model_problems, source_problems
from shortlist.recipe.rules import Rules
from shortlist.recipe.score import score_problems
from shortlist.recipe.sources import Data, table_problems
from shortlist.recipe.split import Split, validation_problems
from shortlist.recipe.targets import TargetForms, observed_problems, relevance_problems, weight_problems
from shortlist.recipe.tracking import Tracking
from shortlist.recipe.tune import Tune


class Schema(Settings):
    """Which columns play which part. A click log without users or times needs only a target."""

    user_id: str | None = None
    """Column with the user."""
    session_id: str | None = None
    """Column with the session, in the place of a user where traffic is anonymous: nothing is learned of a session's id,
    only of its events, and lists are asked for before each of its held-out events but the first."""
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

    @property
    def user_column(self) -> str | None:
        """Column that says whose an event is: a user's, or a session's."""
        return self.user_id or self.session_id

    @model_validator(mode="after")
    def _one_of_user_and_session(self) -> Schema:
        if self.user_id and self.session_id:
            raise ValueError(
                f"user_id = {self.user_id!r} and session_id = {self.session_id!r}: events are either users' or "
                "anonymous sessions'. Leave session_id out where users are known, for a user's history tells more"
            )
        return self

    @model_validator(mode="after")
    def _one_role_a_column(self) -> Schema:
        """A rating may be an event's type and its weight, and rows of one user or time a group."""
        role_of: dict[str, str] = {}
        problems = []
        for role in ("user_id", "session_id", "item_id", "timestamp", "event", "weight"):
            column = getattr(self, role)
            if column in role_of:
                why = f"names the column `{column}`, and so does schema.{role_of[column]}"
                problems.append(Problem(role, f"{why}: name {role}'s own column, or leave one of them out"))
            elif column is not None and role not in ("event", "weight"):
                role_of[column] = role
        for name, setting in self.targets.items():
            if (column := setting.value.strip()) in role_of:
                why = f"is the column `{column}` itself, which schema.{role_of[column]} names and every request tells"
                problems.append(Problem(f"targets.{name}", f'{why}: name what is to be predicted, as in "rating >= 4"'))
        if problems:
            raise Contradictions(*problems)
        return self


class Features(Settings):
    """Features of each side by name. A side left out is inferred from its table; an empty one has only the id."""

    user: dict[str, FeatureSetting] | None = None
    """Features from the user table."""
    item: dict[str, FeatureSetting] | None = None
    """Features from the item table."""
    context: dict[str, FeatureSetting] | None = None
    """Features from the event itself: known when the request is made, such as device, place or time."""


class Funnel(Settings):
    """How an answer is made: candidates, filter, rank."""

    candidates: int = Field(500, ge=1)
    """How many candidates the first stage hands to the second."""
    exclude_seen: bool = True
    """Leave out what the user has already interacted with."""
    index: Index = Index()
    """How the nearest items are found; `index = "faiss"` is short for `{kind = "faiss"}`."""
    retrieval_weight: float | Literal["auto"] = "auto"
    """Final score = ranker's logit + this weight x retrieval score (standardised within the request, as is the ranker's
    where `ranking.score` says it). auto: the best of a small grid on validation."""

    @field_validator("index", mode="before")
    @classmethod
    def _of_kind(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

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


Sharding = Literal["row_wise", "table_wise", "column_wise"]
"""How the rows of tables lie with the processes that train together."""


class Compute(Settings):
    """Where the work runs. Nothing else in the recipe changes with it."""

    engine: Literal["duckdb", "spark"] = "duckdb"
    """Engine for the tables."""
    spark_master: str = "local[2]"
    """Master of the Spark session, for `spark`, when no session exists yet."""
    launcher: Literal["torchrun", "spark"] = "torchrun"
    """Where several processes train: on this machine, or as tasks of the Spark cluster at `spark_master`."""
    processes: int = Field(1, ge=1)
    """How many train one model together. Each takes its part of every batch of `batch_size`, so that the result is that
    of one process but for rounding and dropout."""
    threads: int | None = Field(None, ge=1)
    """Threads for tables and training, of each process; default: all cores of the machine, shared by its processes."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models train; auto takes a GPU when there is one."""
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = "auto"
    """Of the layers' products; weights stay fp32, fp16 scales its loss. auto: what the device is fastest at without
    losing quality."""
    compile: bool = False
    """Compile the layers with torch.compile: a minute at the start, then steps about a tenth faster on a CPU. Needs a
    C++ compiler."""
    embeddings: Literal["memory", "mapped", "torchrec"] = "memory"
    """mapped: embedding tables live in files and may be larger than memory; on a CPU, with optimisers that update the
    batch's rows alone. A row that training never met counts as zeros. torchrec: parted among the processes by TorchRec,
    which has row-wise Adagrad alone."""
    sharding: Sharding | None = None
    """How `torchrec` parts tables: row_wise, the default, deals rows out to the processes in turn, table_wise whole
    columns of the data. column_wise gives each a part of every vector, which learns at a rate of its own: not the same
    method."""
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

    @model_validator(mode="after")
    def _parts_what_is_parted(self) -> Compute:
        if self.sharding is not None and self.embeddings != "torchrec":
            raise ValueError(
                f'sharding is how torchrec parts tables, and embeddings is "{self.embeddings}": leave it out, or set '
                'embeddings = "torchrec"'
            )
        return self


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
    sources: dict[SourceName, Source] = {}
    """Further sources of candidates by name: `[sources.neighbours]` with `model = "item_knn"` and `quota = 100`."""
    ranking: Ranking | None = None
    """The second stage."""
    funnel: Funnel = Funnel()
    """How an answer is made."""
    rules: Rules = Rules()
    """What lists must, should and must not hold."""
    evaluation: Evaluation = Evaluation()
    """What is measured."""
    compute: Compute = Compute()
    """Where the work runs."""
    tracking: Tracking = Tracking()
    """What is recorded of it."""
    tune: Tune | None = None
    """What `shortlist tune` tries; nothing else reads it."""

    @field_validator("sources", mode="before")
    @classmethod
    def _name_their_models(cls, value: Any) -> Any:
        if isinstance(value, dict) and (problems := model_problems(value)):
            raise Contradictions(*problems)
        return value

    @field_validator("split")
    @classmethod
    def _as_the_data_says(cls, value: Split, info: ValidationInfo) -> Split:
        data, roles = info.data.get("data"), info.data.get("schema_")
        if isinstance(roles, Schema) and roles.session_id and roles.timestamp:
            value = value.of_sessions()
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
            problems += validation_problems(self.split)
        problems += table_problems(self.data, self.compute.engine)
        problems += source_problems(self.retrieval, self.sources, self.funnel.candidates)
        if problems:
            raise Contradictions(*problems)
        return self


def names_stages(values: Mapping[str, Any]) -> bool:
    """Whether a recipe says which stages it has."""
    return bool({"retrieval", "ranking"} & values.keys())


def with_default_stages(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a recipe with both stages: retrieval where there are users and items, and a ranker."""
    roles = values.get("schema")
    has_both = isinstance(roles, Mapping) and "item_id" in roles and bool({"user_id", "session_id"} & roles.keys())
    return {"ranking": {}, **({"retrieval": {}} if has_both else {}), **values}


def ranks_against_candidates(recipe: Recipe) -> bool:
    """Whether the ranker's negatives are what the sources of candidates propose."""
    if recipe.ranking is None or recipe.retrieval is None:
        return False
    choice = recipe.ranking.negatives
    return choice.source == "candidates" and choice.sampled > 0


def sources_of(recipe: Recipe) -> dict[str, Retrieval]:
    """The settings of every source of candidates, that of [retrieval] first, by its folder in a run and in a bundle."""
    if recipe.retrieval is None:
        return {}
    return {"retrieval": recipe.retrieval, **{f"sources/{name}": source for name, source in recipe.sources.items()}}
