"""MovieLens archives as Parquet tables.

F. M. Harper and J. A. Konstan. The MovieLens Datasets: History and Context. ACM TiiS 5(4), 2015.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

_YEAR = r"\((?P<year>\d{4})\)\s*$"
_CELL_END = "\x1f"
"""Stands for the archives' own separators while reading: Arrow takes one byte, and no cell holds this one."""


def convert_1m(archive: zipfile.ZipFile, folder: Path) -> None:
    """Write ratings, users and movies of MovieLens 1M; genres stay parted by "|", titles keep their year.

    Raises:
        KeyError: a file is not in the archive.
        pyarrow.ArrowInvalid: a file holds something else than the published columns.
    """
    ratings = {"user_id": pa.int32(), "movie_id": pa.int32(), "rating": pa.int8(), "timestamp": pa.int64()}
    users = {
        "user_id": pa.int32(),
        "gender": pa.string(),
        "age": pa.int16(),
        "occupation": pa.int16(),
        "zip_code": pa.string(),
    }
    movies = _read(archive, "ml-1m/movies.dat", "::", dict.fromkeys(("movie_id", "title", "genres"), pa.string()))
    columns = {
        "movie_id": movies["movie_id"].cast(pa.int32()),
        "title": movies["title"],
        "year": _year(movies["title"]),
        "genres": movies["genres"],
    }
    pq.write_table(_read(archive, "ml-1m/ratings.dat", "::", ratings), folder / "ratings.parquet")
    pq.write_table(_read(archive, "ml-1m/users.dat", "::", users), folder / "users.parquet")
    pq.write_table(pa.table(columns), folder / "movies.parquet")


def convert_100k(archive: zipfile.ZipFile, folder: Path) -> None:
    """Write ratings, users and items of MovieLens 100K; genres become one text parted by "|".

    Raises:
        KeyError: a file is not in the archive.
        pyarrow.ArrowInvalid: a file holds something else than the published columns.
    """
    ratings = {"user_id": pa.int32(), "item_id": pa.int32(), "rating": pa.int8(), "timestamp": pa.int64()}
    users = {
        "user_id": pa.int32(),
        "age": pa.int16(),
        "gender": pa.string(),
        "occupation": pa.string(),
        "zip_code": pa.string(),
    }
    names = _read(archive, "ml-100k/u.genre", "|", {"genre": pa.string(), "code": pa.int8()})["genre"].to_pylist()
    described = dict.fromkeys(("item_id", "title", "released", "video_released", "address"), pa.string())
    items = _read(archive, "ml-100k/u.item", "|", described | dict.fromkeys(names, pa.int8()))
    flags = zip(*(items[name].to_pylist() for name in names), strict=True)
    columns = {
        "item_id": items["item_id"].cast(pa.int32()),
        "movie_title": pc.utf8_rtrim_whitespace(pc.replace_substring_regex(items["title"], _YEAR, "")),
        "release_year": _year(items["title"]),
        "genres": ["|".join(name for name, flag in zip(names, row, strict=True) if flag) for row in flags],
    }
    pq.write_table(_read(archive, "ml-100k/u.data", "\t", ratings), folder / "ratings.parquet")
    pq.write_table(_read(archive, "ml-100k/u.user", "|", users), folder / "users.parquet")
    pq.write_table(pa.table(columns), folder / "items.parquet")


def _read(archive: zipfile.ZipFile, member: str, separator: str, columns: Mapping[str, pa.DataType]) -> pa.Table:
    text = archive.read(member).replace(separator.encode(), _CELL_END.encode())
    return csv.read_csv(
        io.BytesIO(text),
        read_options=csv.ReadOptions(column_names=list(columns), encoding="latin-1"),
        parse_options=csv.ParseOptions(delimiter=_CELL_END, quote_char=False),
        convert_options=csv.ConvertOptions(column_types=dict(columns)),
    )


def _year(titles: pa.ChunkedArray) -> pa.ChunkedArray:
    """The year at the end of each title; null where a title has none."""
    return pc.struct_field(pc.extract_regex(titles, _YEAR), "year").cast(pa.int16())
