"""What a recipe may say of a feature: its kind, and the settings of that kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from shortlist.core.settings import Settings


class _Feature(Settings):
    column: str | None = None
    """Column of the table; by default the feature's own name."""


class Categorical(_Feature):
    """One value of many, each with an embedding row of its own; rare and unseen values share the OOV row."""

    kind: Literal["categorical"] = "categorical"
    min_count: int = Field(1, ge=1)
    """Values with fewer training rows are out of vocabulary."""
    max_size: int | None = Field(None, ge=1)
    """Keep at most this many values, the most frequent first."""


class Hashed(_Feature):
    """One value of very many, hashed into a fixed number of rows: no vocabulary to keep, collisions allowed."""

    kind: Literal["hashed"] = "hashed"
    buckets: int = Field(10_000, ge=1)
    """Number of rows that values are hashed to."""


class Numeric(_Feature):
    """A number. Missing, unreadable and non-finite values become the training mean: 0 after `standardise` and `log`."""

    kind: Literal["numeric"] = "numeric"
    transform: Literal["standardise", "log", "bucketise", "none"] = "standardise"
    """standardise: (x - mean) / deviation. log: that of sign(x) log(1 + |x|). bucketise: quantile bucket, embedded."""
    buckets: int = Field(16, ge=2)
    """Number of quantile buckets, for `bucketise`."""


class MultiHot(_Feature):
    """Several values at once, such as genres: a list column, or text parted by `separator`."""

    kind: Literal["multi_hot"] = "multi_hot"
    separator: str = Field("|", min_length=1)
    """What parts the values when the column is text."""
    min_count: int = Field(1, ge=1)
    """Values with fewer training rows are out of vocabulary."""
    max_hotness: int = Field(16, ge=1)
    """Values beyond this many in one row are dropped, the first ones kept."""
    buckets: int | None = Field(None, ge=1)
    """Number of rows that values are hashed to, for very many of them; default: a vocabulary with a row for each."""

    @model_validator(mode="after")
    def _hashed_are_not_counted(self) -> MultiHot:
        if self.buckets is not None and self.min_count > 1:
            raise ValueError("values that are hashed into buckets are not counted: leave min_count or buckets out")
        return self


class Timestamp(_Feature):
    """Parts of a time in UTC, each embedded: people buy other things on Sunday evening than on Monday morning."""

    kind: Literal["timestamp"] = "timestamp"
    parts: tuple[Literal["hour", "weekday", "month"], ...] = ("hour", "weekday", "month")
    """Which parts."""


def _short_form(value: Any) -> Any:
    """`age = "numeric"` is short for `age = {kind = "numeric"}`."""
    return {"kind": value} if isinstance(value, str) else value


Feature = Annotated[
    Categorical | Hashed | Numeric | MultiHot | Timestamp,
    Field(discriminator="kind"),
]
FeatureSetting = Annotated[Feature, BeforeValidator(_short_form)]


def field_names(name: str, feature: Feature) -> tuple[str, ...]:
    """What a feature is called where a model has it as fields, of one value of several each: none of other kinds."""
    match feature:
        case Timestamp(parts=parts):
            return tuple(f"{name}.{part}" for part in parts)
        case Categorical() | Hashed() | Numeric(transform="bucketise"):
            return (name,)
        case _:
            return ()
