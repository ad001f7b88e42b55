"""A made-up click log in the form of Criteo's Display Advertising Challenge (Kaggle 2014): no header, tabs, 40 columns.

label, 13 counts, 26 categories as eight hexadecimal digits; an empty field is missing. The categories have the sizes of
the original, as facebookresearch/dlrm lists them, and values as skewed as words (Zipf). Clicks follow a hidden model of
categories, pairs of them and counts, so that there is something to learn.

Legend: n rows, F categories.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from shortlist.core.files import whole_file
from shortlist.core.seeding import stream
from shortlist.features.rows import Longs
from shortlist.features.values import Doubles

_COUNTS = 13
_SIZES = (
    *(1_460, 583, 10_131_227, 2_202_608, 305, 24, 12_517, 633, 3, 93_145, 5_683, 8_351_593, 3_194),
    *(27, 14_992, 5_461_306, 10, 5_652, 2_173, 4, 7_046_547, 18, 15, 286_181, 105, 142_572),
)
_MISSING_COUNTS = (0.45, 0, 0.2, 0.2, 0.05, 0.25, 0.05, 0, 0.05, 0.45, 0.05, 0.78, 0.2)
_MISSING_SOMETIMES = {19: 0.45, 20: 0.45, 22: 0.82, 25: 0.45, 26: 0.45}
"""Shares of rows, by the number of the category."""
_LOG_MEAN = (0.6, 2.0, 2.0, 1.5, 7.0, 3.5, 1.5, 2.0, 3.5, 0.2, 0.8, 0.3, 1.6)
_EFFECTS = 4_096
_ROWS_AT_ONCE = 65_536
_USUAL_LOGIT = -1.6
"""With the spread of the hidden model a quarter of the rows is clicked, as in the original."""


def make_criteo(folder: Path, rows: int, seed: int) -> list[Path]:
    """Write `rows` rows into `folder`/train.txt; the same seed gives the same bytes."""
    path = folder / "train.txt"
    names = ["label", *(f"I{i}" for i in range(1, _COUNTS + 1)), *(f"C{i}" for i in range(1, len(_SIZES) + 1))]
    schema = pa.schema([(name, pa.int64() if name[0] != "C" else pa.string()) for name in names])
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    hidden = _Hidden(seed)
    with whole_file(path) as draft, csv.CSVWriter(str(draft), schema, write_options=options) as writer:
        for start in range(0, rows, _ROWS_AT_ONCE):
            columns = hidden.columns(stream(seed, "criteo", start), min(_ROWS_AT_ONCE, rows - start))
            writer.write(pa.record_batch(columns, schema=schema))
    return [path]


class _Hidden:
    """What clicks follow: an effect for each value, for pairs of two categories, and for the counts."""

    def __init__(self, seed: int) -> None:
        random = stream(seed, "criteo effects")
        self.value_FE = random.normal(0, 0.3, (len(_SIZES), _EFFECTS))
        self.pair_E = random.normal(0, 0.6, _EFFECTS)
        self.count_N = random.normal(0, 0.1, _COUNTS)
        self.pair = random.choice(len(_SIZES), 2, replace=False)
        self.usual = float(self._score(*_drawn(random, _ROWS_AT_ONCE)).mean())

    def columns(self, random: np.random.Generator, rows: int) -> list[pa.Array]:
        """The columns of n rows."""
        rank_nF, count_nN = _drawn(random, rows)
        logit_n = self._score(rank_nF, count_nN) - self.usual + _USUAL_LOGIT
        clicked_n = random.random(rows) < 1 / (1 + np.exp(-logit_n))
        counts = [
            pa.array(count_nN[:, place], mask=random.random(rows) < share)
            for place, share in enumerate(_MISSING_COUNTS)
        ]
        categories = [
            pa.array(_texts(rank_nF[:, place], place), mask=random.random(rows) < _MISSING_SOMETIMES.get(place + 1, 0))
            for place in range(len(_SIZES))
        ]
        return [pa.array(clicked_n.astype(np.int64)), *counts, *categories]

    def _score(self, rank_nF: Longs, count_nN: Longs) -> Doubles:
        effect_nF = np.take_along_axis(self.value_FE.T, rank_nF % _EFFECTS, axis=0)
        first, second = self.pair
        pair_n = self.pair_E[(rank_nF[:, first] * 31 + rank_nF[:, second]) % _EFFECTS]
        score_n: Doubles = effect_nF.sum(1) + pair_n + np.log1p(count_nN) @ self.count_N
        return score_n


def _drawn(random: np.random.Generator, rows: int) -> tuple[Longs, Longs]:
    """Ranks of the categories' values, from 0 on, and counts of n rows."""
    size_F = np.array(_SIZES)
    # The logarithm of a Zipf-distributed rank is spread evenly.
    rank_nF = np.exp(random.random((rows, len(_SIZES))) * np.log(size_F + 1)).astype(np.int64)
    count_nN = random.lognormal(_LOG_MEAN, 1.2, (rows, _COUNTS)).astype(np.int64)
    return np.minimum(rank_nF, size_F) - 1, count_nN


def _texts(rank_n: Longs, field: int) -> list[str]:
    """Eight digits: an odd factor gives each rank of a field another number below 2^32."""
    number_n = (rank_n * 2_654_435_761 + field * 40_503) % 2**32
    return [f"{number:08x}" for number in number_n.tolist()]
