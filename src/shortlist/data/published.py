"""Data sets that recipes are for: made up in their original form, or converted from the files as they are published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shortlist.core.errors import DataError, UserError
from shortlist.core.suggest import did_you_mean
from shortlist.data.adult import FILES as ADULT
from shortlist.data.adult import convert_adult
from shortlist.data.criteo import make_criteo
from shortlist.data.diginetica import FILES as DIGINETICA
from shortlist.data.diginetica import convert_diginetica
from shortlist.data.frappe import FILES as FRAPPE
from shortlist.data.frappe import convert_frappe
from shortlist.data.item_lists import (
    BEAUTY,
    GOWALLA,
    MOVIELENS,
    convert_beauty,
    convert_gowalla,
    convert_movielens_sequences,
)
from shortlist.data.movielens_ncf import FILES as NCF
from shortlist.data.movielens_ncf import convert_movielens_ncf
from shortlist.data.outbrain.files import ALL_VIEWS, REQUIRED, VIEWS
from shortlist.data.outbrain.make import make_outbrain
from shortlist.data.outbrain.read import convert_outbrain


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUp:
    """A data set that can be made up."""

    title: str
    make: Callable[[Path, int, int], list[Path]]
    """From folder, rows and seed to the files it wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A data set whose files are converted."""

    title: str
    page: str
    """Where people read about it and fetch the files."""
    files: tuple[str, ...]
    """The original files that it is converted from."""
    convert: Callable[[Path], list[Path]]
    """From the folder of the original files to the tables that it wrote beside them."""
    either: tuple[str, ...] = ()
    """Further original files of which one must be there."""

    def missing(self, folder: Path) -> list[str]:
        """The original files that are not in `folder`."""
        choices = [*((file,) for file in self.files), *([self.either] if self.either else [])]
        return [" or ".join(names) for names in choices if not any((folder / name).is_file() for name in names)]


MADE_UP = {
    "criteo": MadeUp(title="clicks in the form of Criteo's train.txt: 13 counts, 26 categories", make=make_criteo),
    "outbrain": MadeUp(title="displays of ads in the form of Outbrain's eight CSV files", make=make_outbrain),
}
"""By the name that `make` takes."""

PUBLISHED = {
    "frappe": Published(
        title="Frappe, split by NFM: 288,609 uses of an app or not, ten fields",
        page="https://github.com/hexiangnan/neural_factorization_machine",
        files=tuple(FRAPPE.values()),
        convert=convert_frappe,
    ),
    "adult": Published(
        title="UCI Adult: 48,842 people of the census of 1994, two targets",
        page="https://archive.ics.uci.edu/dataset/2/adult",
        files=tuple(ADULT.values()),
        convert=convert_adult,
    ),
    "gowalla": Published(
        title="Gowalla, split by NGCF: 1,027,370 check-ins of 29,858 people, without times",
        page="https://github.com/kuandeng/LightGCN/tree/master/Data/gowalla",
        files=GOWALLA,
        convert=convert_gowalla,
    ),
    "amazon-beauty": Published(
        title="Amazon Beauty 2014, five-core, of S3-Rec: 198,502 reviews of 22,363 people in their order",
        page="https://github.com/RUCAIBox/CIKM2020-S3Rec",
        files=BEAUTY,
        convert=convert_beauty,
    ),
    "movielens-1m-sequences": Published(
        title="MovieLens-1M of SASRec: 999,611 ratings of 6,040 people in their order",
        page="https://github.com/kang205/SASRec",
        files=MOVIELENS,
        convert=convert_movielens_sequences,
    ),
    "movielens-1m-ncf": Published(
        title="MovieLens-1M of NCF: each user's last rating, beside 99 films that the user never rated",
        page="https://github.com/hexiangnan/neural_collaborative_filtering",
        files=NCF,
        convert=convert_movielens_ncf,
    ),
    "diginetica": Published(
        title="Diginetica of SR-GNN and GCE-GNN: 186,670 anonymous sessions, and 60,858 clicks to foretell",
        page="https://github.com/CCIIPLab/GCE-GNN",
        files=DIGINETICA,
        convert=convert_diginetica,
    ),
    "outbrain": Published(
        title=f"Outbrain Click Prediction: 16,874,593 displays of ads; {VIEWS} or {ALL_VIEWS} too",
        page="https://www.kaggle.com/c/outbrain-click-prediction",
        files=REQUIRED,
        either=(VIEWS, ALL_VIEWS),
        convert=convert_outbrain,
    ),
}
"""By the name that `convert` takes."""


def make(name: str, folder: Path | str, rows: int, seed: int = 0) -> list[Path]:
    """Make up a data set of about `rows` rows in `folder`; the files it wrote.

    Raises:
        UserError: an unknown name, fewer than 1 row, or a negative seed.
        EnvironmentFault: the disk is full or may not be written.
    """
    if name not in MADE_UP:
        raise UserError(f"no data set that can be made up is called `{name}`.{did_you_mean(name, MADE_UP)}")
    if rows < 1 or seed < 0:
        raise UserError(f"expected 1 row or more and a seed of 0 or more, found rows = {rows:,} and seed = {seed}.")
    return MADE_UP[name].make(Path(folder), rows, seed)


def convert(name: str, folder: Path | str) -> list[Path]:
    """Convert the original files of a data set in `folder` to the tables of its recipe; the files it wrote.

    Raises:
        UserError: an unknown name.
        DataError: a file is not there, or holds something else.
        EnvironmentFault: the disk is full or may not be written.
    """
    if name not in PUBLISHED:
        raise UserError(f"no data set that can be converted is called `{name}`.{did_you_mean(name, PUBLISHED)}")
    known, folder = PUBLISHED[name], Path(folder)
    if missing := known.missing(folder):
        expected = ", ".join([*known.files, *([" or ".join(known.either)] if known.either else [])])
        raise DataError(
            f"{folder}: expected {expected}; {', '.join(missing)} is not there. They are published at "
            f"{known.page}: fetch and unpack them there."
        )
    return known.convert(folder)


def to_convert(folder: Path) -> str:
    """What to do with a folder that holds the original files of a data set; empty where it does not."""
    there = [name for name, known in PUBLISHED.items() if not known.missing(folder)]
    return "".join(f" Those are the original files; convert them: shortlist data convert {n} {folder}" for n in there)
