"""Sources: a file, a folder or a glob of a recipe, resolved to files of one format."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.core.errors import DataError
from shortlist.core.suggest import did_you_mean
from shortlist.recipe.sources import table_name

Format = Literal["parquet", "csv", "json"]

_FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".tsv": "csv",
    ".tsv.gz": "csv",
    ".txt": "csv",
    ".txt.gz": "csv",
    ".jsonl": "json",
    ".jsonl.gz": "json",
    ".ndjson": "json",
    ".ndjson.gz": "json",
    ".json": "json",
    ".json.gz": "json",
}
_READABLE = "Parquet (.parquet), CSV or TSV (.csv, .tsv, .txt), JSON lines (.jsonl, .ndjson, .json); text also .gz"
_NOTES = (".txt", ".txt.gz")
"""Tables where they are named; beside tables in a folder often a note about them, and passed over."""
_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Source:
    """What a recipe's `data.interactions`, `data.users` or `data.items` stands for."""

    given: str
    """As the recipe says."""
    files: tuple[Path, ...]
    """Ascending by path; all of the same format, with the same columns."""
    format: Format
    delimiter: str = ","
    """What parts the columns; for CSV."""
    columns: tuple[str, ...] = ()
    """Names of the columns where the files have no header line; for CSV."""


def source_files(given: str) -> list[Path]:
    """The files of a source, ascending by path; DataError when there is nothing to read."""
    path = Path(given)
    if table_name(given) is not None:
        raise DataError(
            f'{given}: expected files, found the name of a table, which compute.engine = "spark" alone reads.'
        )
    if "://" in given:
        raise DataError(f"{given}: expected a path of this machine, found an address. Download it first.")
    if path.is_dir():
        return _files_in(path)
    if path.is_file():
        _format_of(path)
        return [path]
    if has_magic(given):
        found = [Path(name) for name in glob(given, recursive=True)]
        if files := sorted(file for file in found if file.is_file() and not _hidden(file, path.parent)):
            return files
    raise _nothing_at(given)


def find_source(given: str, columns: Sequence[str] = ()) -> Source:
    """Resolve a source and look at its files: none is empty or broken, all have the same format and columns.

    With `columns`, the names of all of them, the files are text without a header line.
    """
    files = source_files(given)
    formats = {_format_of(file): file for file in reversed(files)}
    if len(formats) > 1:
        examples = ", ".join(f"{kind} ({file.name})" for kind, file in sorted(formats.items()))
        raise DataError(
            f"{given}: expected files of one format, found {examples}. Name one of them, or a glob such as *.parquet."
        )
    for file in files:
        if file.stat().st_size == 0:
            raise DataError(f"{file}: expected a table, found an empty file of 0 bytes.")
    kind = next(iter(formats))
    if columns:
        _without_header(files, kind, columns)
    else:
        _same_columns(given, files, kind)
    return Source(given, tuple(files), kind, _delimiter(files[0]) if kind == "csv" else ",", tuple(columns))


def _files_in(folder: Path) -> list[Path]:
    """All readable files below a folder; what names nothing of a table (hidden files, `_SUCCESS`) is passed over."""
    if (folder / "_delta_log").exists():
        raise DataError(
            f"{folder}: a Delta table, whose files also hold rows that were deleted. Write it out as Parquet, or let "
            f"Spark read it, by its name in a catalogue or as table:delta.`{folder.absolute()}`."
        )
    below = sorted(file for file in folder.rglob("*") if file.is_file() and not _hidden(file, folder))
    files = [file for file in below if _ending(file) in _FORMATS and _ending(file) not in _NOTES]
    if files:
        return files
    if notes := [file for file in below if _ending(file) in _NOTES]:
        raise DataError(
            f"{folder}: expected files to read, found {notes[0].name}, which may be a note. If it is a table, name it."
        )
    if below:
        _format_of(below[0])
    raise DataError(f"{folder}: expected files to read ({_READABLE}), found an empty folder.")


def _hidden(file: Path, root: Path) -> bool:
    inside = file.relative_to(root).parts if file.is_relative_to(root) else (file.name,)
    return any(part.startswith((".", "_")) for part in inside)


def _ending(file: Path) -> str:
    """`.csv` or `.csv.gz`, in small letters."""
    endings = [suffix.lower() for suffix in file.suffixes]
    return "".join(endings[-2:]) if endings[-1:] == [".gz"] else "".join(endings[-1:])


def _format_of(file: Path) -> Format:
    if _ending(file) not in _FORMATS:
        raise DataError(f"{file}: expected {_READABLE}; found the ending {_ending(file) or 'of no kind'!r}.")
    return _FORMATS[_ending(file)]


def _nothing_at(given: str) -> DataError:
    """What was looked for, and what is in the nearest folder above that exists."""
    path = Path(given)
    folder = next(parent for parent in (*path.absolute().parents, Path.cwd()) if parent.is_dir())
    there = sorted(entry.name + "/" * entry.is_dir() for entry in folder.iterdir() if not entry.name.startswith("."))
    what = "a file that matches" if has_magic(given) else "a file or a folder"
    if not there:
        return DataError(f"nothing at {given}: expected {what}; the folder {folder} is empty.")
    nearest = did_you_mean(path.name, there) if folder == path.absolute().parent else ""
    listed = ", ".join(there[:20]) + (f" and {len(there) - 20} more" if len(there) > 20 else "")
    said = "" if nearest.startswith(" There is") else nearest
    return DataError(f"nothing at {given}: expected {what}; {folder} holds {listed}.{said}")


def _same_columns(given: str, files: Sequence[Path], kind: Format) -> None:
    """Every file's columns are those of the first one. JSON lines name theirs row by row: nothing to compare."""
    if kind == "json":
        return
    names = _parquet_columns if kind == "parquet" else _header
    first = names(files[0])
    for file in files[1:]:
        if sorted(found := names(file)) != sorted(first):
            raise DataError(
                f"{given}: expected one table, but its files differ in their columns: {files[0].name} has "
                f"{_listed(first)}; {file.name} has {_listed(found)}. Name one table's files, for instance with a glob."
            )


def _without_header(files: Sequence[Path], kind: Format, columns: Sequence[str]) -> None:
    """Every file's first line is a row with as many values as there are names."""
    if kind != "csv":
        raise DataError(
            f"{files[0]}: data.columns names the columns of text without a header line, and this file names its own. "
            "Leave data.columns out."
        )
    for file in files:
        found = _header(file)
        if len(found) != len(columns):
            raise DataError(
                f"{file}: expected the {len(columns)} columns of data.columns, found {len(found)} in its first line, "
                f"parted by {_delimiter(file)!r}. Name every column of the file, in its order."
            )
        if found == list(columns):
            raise DataError(f"{file}: its first line is a header with the names of data.columns. Leave that out.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _parquet_columns(file: Path) -> list[str]:
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowException, OSError, EOFError) as error:
        raise DataError(
            f"{file}: expected a whole Parquet file, found one that cannot be read: {str(error).splitlines()[0]} "
            "It may have been cut off while it was written or copied; write it again."
        ) from error


def _header(file: Path) -> list[str]:
    return [name.strip().strip('"') for name in _first_line(file).split(_delimiter(file))]


def _delimiter(file: Path) -> str:
    """The tab of a TSV; else what parts the names in the first line most often."""
    if ".tsv" in _ending(file):
        return "\t"
    line = _first_line(file)
    outside_quotes = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=outside_quotes.count)


def _first_line(file: Path) -> str:
    opener = gzip.open if file.name.lower().endswith(".gz") else open
    try:
        with opener(file, "rt", encoding="utf-8-sig", newline="") as lines:
            return str(lines.readline()).rstrip("\r\n")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(
            f"{file}: expected text in UTF-8 with the columns' names in its first line; {error}."
        ) from error
