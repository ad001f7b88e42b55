"""What a recipe says of its tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, field_validator, model_validator

from shortlist.core.errors import Problem
from shortlist.core.settings import Settings

_TABLE = "table:"
"""Before the name of a table in the catalogue of the Spark session, in the place of a path."""


class Interactions(Settings):
    """The log: one table, or a table for each part of the split."""

    table: str | None = None
    """All rows in one; `interactions = "log.parquet"` is short for it."""
    train: str | None = None
    """What models learn from, where the data are published in parts."""
    valid: str | None = None
    """What they choose on; default: cut from train by `split.valid`, the last rows where there are times."""
    test: str | None = None
    """What they are judged on."""

    @model_validator(mode="after")
    def _whole_or_parts(self) -> Interactions:
        if self.table is not None and self.parts:
            raise ValueError(f"names the whole log (table) and parts of it ({', '.join(self.parts)}): leave one out")
        missing = [name for name in ("train", "test") if name not in self.parts]
        if self.table is None and missing:
            raise ValueError(
                f"expected a table, or tables for train and test (and valid); {' and '.join(missing)} is missing"
            )
        return self

    @property
    def parts(self) -> Mapping[str, str]:
        """Tables by the part whose rows they hold; none where there is one table."""
        parts = {"train": self.train, "valid": self.valid, "test": self.test}
        return {name: source for name, source in parts.items() if source is not None}

    @property
    def sources(self) -> tuple[str, ...]:
        """All tables that are named."""
        return tuple(self.parts.values()) if self.table is None else (self.table,)


def _short_form(value: Any) -> Any:
    """`interactions = "log.parquet"` is short for `interactions = {table = "log.parquet"}`."""
    return {"table": value} if isinstance(value, str) else value


class Data(Settings):
    """Where the tables are: Parquet, CSV, TSV (also .gz), JSON lines; a file, a folder or a glob.

    `table:NAME` is a table that the Spark session knows by that name, as `table:catalog.schema.events`: of Spark's own
    kinds, Delta, Iceberg, or whatever else its catalogues offer.
    """

    interactions: Annotated[Interactions, BeforeValidator(_short_form)]
    """The log: one row an event. `{train = ..., valid = ..., test = ...}` where it is published in parts."""
    columns: tuple[str, ...] = ()
    """Names of the log's columns in their order, for text files without a header line."""
    users: str | None = None
    """One row a user."""
    items: str | None = None
    """One row an item."""

    @field_validator("columns")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if twice := sorted({name for name in value if value.count(name) > 1}):
            raise ValueError(f"expected a name of its own for each column, found {', '.join(twice)} more than once")
        if odd := [name for name in value if not name.strip() or name.startswith("#")]:
            raise ValueError(f"expected names that are not empty and do not begin with #, found {', '.join(odd)!r}")
        return value

    @property
    def sources(self) -> Mapping[str, str]:
        """All tables that are named, by their settings."""
        log = {f"interactions.{part}": source for part, source in self.interactions.parts.items()}
        whole = {"interactions": self.interactions.table, **log, "users": self.users, "items": self.items}
        return {f"data.{name}": source for name, source in whole.items() if source is not None}


def table_name(source: str) -> str | None:
    """The name that the Spark session knows a source by; None for files."""
    return source.removeprefix(_TABLE).strip() if source.startswith(_TABLE) else None


def source_name(source: str) -> str:
    """What to call a source before people."""
    return table_name(source) or Path(source).name


def below(base: Path, source: str) -> str:
    """A source's path made absolute below `base`; a table of a catalogue has none."""
    return source if table_name(source) is not None else str((base / source).absolute())


def table_problems(data: Data, engine: str) -> list[Problem]:
    """What is wrong with tables of a catalogue: DuckDB has none, and their columns have names."""
    named = [setting for setting, source in data.sources.items() if table_name(source) is not None]
    problems = []
    if engine != "spark":
        why = f'a table of a Spark catalogue is read with compute.engine = "spark", and not with "{engine}"'
        problems += [Problem(setting, why) for setting in named]
    if data.columns and any(setting.startswith("data.interactions") for setting in named):
        problems.append(Problem("data.columns", "names the columns of text files; a table's have names. Leave it out"))
    return problems
