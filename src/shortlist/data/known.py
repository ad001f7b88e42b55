"""Known public data sets: fetched from their official home, checked by hash, and written as Parquet."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from shortlist.core.errors import DataError, UserError
from shortlist.core.files import disk_errors
from shortlist.core.progress import Reporter, Silent
from shortlist.core.suggest import did_you_mean
from shortlist.data.movielens import convert_1m, convert_100k

_TIMEOUT_S = 30
_BLOCK = 1 << 18
_KIB = 1 << 10


class DataUnavailable(DataError):
    """A known data set could not be fetched: no internet, or a file that is not the published one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownData:
    """One public data set."""

    title: str
    url: str
    """The archive at its official home."""
    page: str
    """Where people read about it and fetch it by hand."""
    md5: str
    """As published beside the archive; it tells a damaged file, the https address vouches for its origin."""
    terms: str
    tables: tuple[str, ...]
    """The Parquet files that make it complete."""
    convert: Callable[[zipfile.ZipFile, Path], None]

    @property
    def archive(self) -> str:
        """File name of the archive."""
        return self.url.rsplit("/", 1)[-1]


_MOVIELENS_TERMS = "GroupLens terms: research use, no redistribution without permission, cite Harper & Konstan 2015"

KNOWN = {
    "movielens-1m": KnownData(
        title="MovieLens 1M: 1,000,209 ratings of 3,706 films by 6,040 people, 2000 to 2003",
        url="https://files.grouplens.org/datasets/movielens/ml-1m.zip",
        page="https://grouplens.org/datasets/movielens/1m/",
        md5="c4d9eecfca2ab87c1945afe126590906",
        terms=_MOVIELENS_TERMS,
        tables=("ratings.parquet", "users.parquet", "movies.parquet"),
        convert=convert_1m,
    ),
    "movielens-100k": KnownData(
        title="MovieLens 100K: 100,000 ratings of 1,682 films by 943 people, 1997 to 1998",
        url="https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        page="https://grouplens.org/datasets/movielens/100k/",
        md5="0e33842e24a9c977be4e0107933c0723",
        terms=_MOVIELENS_TERMS,
        tables=("ratings.parquet", "users.parquet", "items.parquet"),
        convert=convert_100k,
    ),
}
"""Every known data set, by the name that `get` takes."""


def get(
    name: str,
    folder: Path | str,
    url: str | None = None,
    *,
    md5: str | None = None,
    reporter: Reporter | None = None,
) -> Path:
    """Fetch a known data set into `folder`/`name`, unless it is already there.

    An archive that lies there, put by hand, is used instead of a download; if it is not the published one, it
    is refused and left to its owner. A download that is cut off or altered is refused and removed. Each table
    appears whole.

    Args:
        name: a key of `KNOWN`.
        folder: the folder that holds data sets.
        url: another http(s) address of the same archive, such as a mirror.
        md5: the archive's hash, where it is not the published one.
        reporter: is told of the download's progress.

    Returns:
        The folder with the Parquet tables.

    Raises:
        UserError: an unknown name, or an address that is not http(s).
        DataUnavailable: the archive could not be fetched or is not the published one.
        EnvironmentFault: the disk is full or may not be written.
    """
    known = KNOWN.get(name)
    if known is None:
        raise UserError(f"no known data set is called `{name}`.{did_you_mean(name, KNOWN)}")
    reporter = reporter or Silent()
    target = Path(folder) / name
    if all((target / table).is_file() for table in known.tables):
        reporter.say("data", f"{name} is already in {target}")
        return target
    with disk_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".", suffix=".partial") as scratch:
            fetch = _Fetch(name, known, url or known.url, md5 or known.md5, target / known.archive)
            _unpack(fetch, fetch.archive(Path(scratch), reporter), Path(scratch))
            for table in known.tables:
                os.replace(Path(scratch) / table, target / table)
    reporter.say("data", f"{known.title}\n{known.terms}\nwritten to {target}")
    return target


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One attempt to lay hands on an archive."""

    name: str
    known: KnownData
    url: str
    md5: str
    by_hand: Path

    def archive(self, scratch: Path, reporter: Reporter) -> Path:
        """The checked archive: the one put by hand, or else downloaded into `scratch`."""
        if self.by_hand.is_file():
            self._check(self.by_hand, "Delete it, and fetch it again.")
            return self.by_hand
        path = scratch / self.known.archive
        self._download(path, reporter)
        self._check(path, "It was removed.")
        return path

    def refuse(self, what: str) -> DataUnavailable:
        """The one error of this module: what was tried, what failed, and how to do it by hand."""
        return DataUnavailable(
            f"{self.name} could not be fetched\n"
            f"  tried    {self.by_hand if self.by_hand.is_file() else self.url}\n"
            f"  failed   {what}\n"
            f"  by hand  fetch {self.known.archive} from {self.known.page} in a browser or elsewhere,\n"
            f"           put it at {self.by_hand}, and give the same command again"
        )

    def _download(self, path: Path, reporter: Reporter) -> None:
        if urllib.parse.urlsplit(self.url).scheme not in {"http", "https"}:
            raise UserError(f"expected an address that begins with https:// or http://, found {self.url!r}.")
        try:
            with urllib.request.urlopen(self.url, timeout=_TIMEOUT_S) as response:
                self._save(response, path, reporter)
        except urllib.error.HTTPError as error:
            with error:
                raise self.refuse(f"the server answered {error.code} {error.reason}") from error
        except urllib.error.URLError as error:
            raise self.refuse(f"no connection: {error.reason}") from error
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise self.refuse(f"the connection broke off: {error!r}") from error

    def _save(self, response: http.client.HTTPResponse, path: Path, reporter: Reporter) -> None:
        total = int(response.headers.get("Content-Length") or 0)
        with path.open("wb") as file, reporter.bar("download", total // _KIB, "KiB") as advance:
            while block := response.read(_BLOCK):
                file.write(block)
                advance(len(block) // _KIB, self.known.archive)

    def _check(self, path: Path, remedy: str) -> None:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if found != self.md5:
            raise self.refuse(
                f"{path.name} is not the published file or was cut off: {path.stat().st_size:,} bytes "
                f"with MD5 {found}, expected MD5 {self.md5}. {remedy}"
            )


def _unpack(fetch: _Fetch, archive: Path, scratch: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as members:
            fetch.known.convert(members, scratch)
    except (zipfile.BadZipFile, KeyError, pa.ArrowInvalid) as error:
        raise fetch.refuse(f"{archive.name} does not hold what it should: {error}") from error
