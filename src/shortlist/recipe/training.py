"""What both stages share: the choice of a model, optimisers and their schedule."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from shortlist.core.settings import Settings


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
    """Rows of a batch (positives, where negatives are sampled; whole sequences, of models that read those)."""
    patience: int = Field(2, ge=1)
    """Stop after this many epochs without a better validation metric; the best epoch is kept."""
    history: int = Field(50, ge=0)
    """How many of the user's events before this one the model sees; in a log without times, of all the others."""
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
        """`model = "two_tower"` is short for `model = {name = "two_tower"}`; without a name, the default if any."""
        if isinstance(value, str):
            return {"name": value}
        field = cls.model_fields["model"]
        if not isinstance(value, dict) or field.is_required():
            return value
        return {"name": field.default.name, **value}
