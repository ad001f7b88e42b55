"""[retrieval] and [sources]: where candidates come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from shortlist.core.errors import Problem
from shortlist.core.settings import Contradictions, Settings
from shortlist.core.suggest import did_you_mean
from shortlist.recipe.training import Model, Optimiser, Training

STAGES = ("popularity", "retrieval", "ranking", "funnel")
"""Names in tables and reports that no source may have."""
SourceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]


_OF_LOSS = {"gbce_t": "gbce", "ccl_margin": "ccl", "ccl_weight": "ccl"}
"""Settings that one loss alone reads."""


def _is_default(settings: Settings, name: str) -> bool:
    """By its value: what a bundle keeps of a recipe has every setting in it."""
    return bool(getattr(settings, name) == type(settings).model_fields[name].default)


class ItemNegatives(Settings):
    """What a retrieval model learns to keep away from a request: items beside the one that was chosen.

    What the user chose elsewhere in the log may be drawn: of a large catalogue that is rare.
    """

    source: Literal["in_batch", "uniform", "popularity", "mixed", "catalogue"] = "in_batch"
    """in_batch: the items of the batch, which its rows chose. uniform, popularity: drawn from the catalogue, each item
    as likely as any other, or by how often it was chosen. mixed: in_batch and uniform together. catalogue: every item,
    for catalogues of some ten thousand items or models that look items up by their ids alone."""
    count: int | None = Field(None, ge=1)
    """For uniform, popularity and mixed: how many are drawn. Default: 256."""
    shared: bool = True
    """Whether those that are drawn serve every row of the batch, or each row has its own."""
    alpha: float = Field(0.75, ge=0)
    """For popularity: items are drawn by the number of times they were chosen to this power."""
    hard: int = Field(0, ge=0)
    """Learn only from this many of a row's negatives, those that the model scores highest now. 0: from all."""
    masked: Literal["user", "item"] | None = None
    """Which items of its own batch are no negatives of a row. user: those that the same user chose. item: the row's
    own alone. Default: user, and item for models of sequences, which learn what comes next from what comes later."""
    logq: float = Field(1.0, ge=0, le=1)
    """For softmax: how far scores are corrected for how likely an item was to be among the negatives. 1: the loss
    estimates the softmax over the catalogue. 0: not at all. Those of `hard` are no sample, and never corrected."""

    @property
    def drawn(self) -> int:
        """How many are drawn, where the source draws."""
        return 256 if self.count is None else self.count

    @model_validator(mode="after")
    def _fit_the_source(self) -> ItemNegatives:
        problems = []
        if self.count is not None and self.source in ("in_batch", "catalogue"):
            what = f"{self.source} draws none"
            problems.append(Problem("count", f'{what}: leave it out, or set source = "uniform" or "mixed"'))
        if not self.shared and self.source not in ("uniform", "popularity"):
            what = f"{self.source} is the same for every row"
            problems.append(Problem("shared", f'{what}: leave it out, or set source = "uniform" or "popularity"'))
        if self.source != "popularity" and not _is_default(self, "alpha"):
            what = f"{self.source} draws nothing by popularity"
            problems.append(Problem("alpha", f'{what}: leave it out, or set source = "popularity"'))
        if self.hard and self.source == "catalogue":
            what = "the hardest of the whole catalogue are items that the user chose elsewhere, or is about to"
            problems.append(Problem("hard", f'{what}: leave it out, or set source = "uniform"'))
        if self.hard and self.source in ("uniform", "popularity") and self.hard > self.drawn:
            what = f"{self.hard} of {self.drawn} negatives"
            problems.append(Problem("hard", f"{what}: lower it, or raise count"))
        if self.logq != 1 and (self.hard or self.source == "catalogue"):
            what = "the hardest are no sample, and not corrected" if self.hard else "the whole catalogue is no sample"
            problems.append(Problem("logq", f"{what}: leave it out"))
        if problems:
            raise Contradictions(*problems)
        return self


class Retrieval(Training):
    """The first stage: from the whole catalogue to some hundreds of candidates."""

    model: Model = Model(name="two_tower")
    """Which model, and its settings."""
    dense: Optimiser = Optimiser(lr=3e-3)
    """For everything but the embedding tables."""
    loss: Literal["softmax", "bpr", "gbce", "ccl", "log_loss"] = "softmax"
    """softmax: the item that was chosen among its negatives. bpr: above each of them. gbce: by itself, as a
    probability. ccl: nearer than a margin, for cosines. log_loss: whether the first target happened, of every row of
    the log that tells it, and no other negatives."""
    negatives: ItemNegatives = ItemNegatives()
    """What the items that were chosen are told from; `negatives = "uniform"` is short for `{source = "uniform"}`."""
    gbce_t: float = Field(0.75, ge=0, le=1)
    """For gbce: how far probabilities are corrected for how few negatives are drawn; 0 is binary cross entropy."""
    ccl_margin: float = Field(0.9, gt=-1, lt=1)
    """For ccl: negatives whose cosine is below it are far enough."""
    ccl_weight: float = Field(150.0, gt=0)
    """For ccl: what the mean of the others weighs."""

    @field_validator("negatives", mode="before")
    @classmethod
    def _from(cls, value: Any) -> Any:
        return {"source": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_its_negatives(self) -> Retrieval:
        negatives, loss = self.negatives, self.loss
        if loss == "log_loss" and negatives != ItemNegatives():
            what = "log_loss learns from the log's own negatives, the rows whose first target is 0"
            raise Contradictions(Problem("negatives", f'{what}: leave it out, or set loss = "softmax"'))
        problems = []
        if loss != "softmax" and negatives.logq != 1:
            problems.append(Problem("negatives.logq", f"{loss} corrects no scores: leave it out"))
        if loss == "gbce" and self.gbce_t and (negatives.source not in ("uniform", "catalogue") or negatives.hard):
            what = f"{self.gbce_t:g} makes up for how few of the catalogue are drawn uniformly"
            found = "the hardest of them are learned from" if negatives.hard else f"these are {negatives.source}"
            problems.append(Problem("gbce_t", f'{what}, and {found}: set negatives = "uniform", or gbce_t = 0'))
        if problems:
            raise Contradictions(*problems)
        return self

    @model_validator(mode="after")
    def _has_its_loss(self) -> Retrieval:
        problems = [
            Problem(name, f'{self.loss} does not read it: leave it out, or set loss = "{reader}"')
            for name, reader in _OF_LOSS.items()
            if self.loss != reader and not _is_default(self, name)
        ]
        if problems:
            raise Contradictions(*problems)
        return self


class Source(Retrieval):
    """A source of candidates beside that of [retrieval]: any retrieval model, with the same settings."""

    model: Model
    """Which model, and its settings. It has no default: a source whose name is misspelt would be one more."""
    quota: int = Field(100, ge=1)
    """How many of `funnel.candidates` are its own best, where it has as many that no source before it proposed."""


def model_problems(sources: Mapping[str, Any]) -> list[Problem]:
    """Sources, as they stand in a file, that name no model: mostly the misspelt name of one that does."""
    tables = {name: given for name, given in sources.items() if isinstance(given, dict)}
    named = {name for name, given in tables.items() if _names_model(given.get("model"))}
    problems = []
    for name in filter(lambda name: name not in named, tables):
        nearest = did_you_mean(name, named)
        hint = "" if nearest.startswith(" There is") else nearest
        problems.append(Problem(name, f'names no model: every source has its own, as in model = "item_knn".{hint}'))
    return problems


def _names_model(given: Any) -> bool:
    return given is not None and not (isinstance(given, dict) and "name" not in given)


def source_problems(retrieval: Retrieval | None, sources: Mapping[str, Source], candidates: int) -> list[Problem]:
    """What contradicts itself among the sources, of which [retrieval] is the first."""
    if not sources:
        return []
    if retrieval is None:
        named = ", ".join(f"[sources.{name}]" for name in sources)
        return [Problem("sources", f"{named}: sources stand beside [retrieval], and there is none. Rename one to it")]
    taken = {*STAGES, retrieval.model.name}
    problems = [
        Problem(f"sources.{name}", "another part of the funnel has this name: choose another one")
        for name in sources
        if name in taken
    ]
    if retrieval.model.name == "popularity":
        what = "the first source's scores order all candidates, and popularity knows nothing of who asks"
        problems.append(Problem("retrieval.model", f"{what}: make it one of [sources]"))
    quotas = sum(source.quota for source in sources.values())
    if quotas >= candidates:
        what = f"quotas add up to {quotas}, which leaves [retrieval] none of {candidates} candidates"
        problems.append(Problem("sources", f"{what}: lower them, or raise funnel.candidates"))
    return problems
