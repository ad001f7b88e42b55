"""Frappe as the files of NFM have it: a label and the numbers of ten features in each line.

He and Chua, Neural Factorization Machines for Sparse Predictive Analytics, SIGIR 2017; the files are in the folder
data/frappe of hexiangnan/neural_factorization_machine. Baltrunas et al., Frappe: Understanding the Usage and
Perception of Mobile App Recommendations In-The-Wild, 2015.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shortlist.core.errors import DataError
from shortlist.core.files import whole_file

FILES = {
    "train": "frappe.train.libfm",
    "valid": "frappe.validation.libfm",
    "test": "frappe.test.libfm",
}
FIELDS = ("user", "item", "daytime", "weekday", "isweekend", "homework", "cost", "weather", "country", "city")


def convert_frappe(folder: Path) -> list[Path]:
    """Write train, valid and test as Parquet: `label` 0 or 1 and the ten fields. DataError for a line of other form."""
    written = []
    for part, file in FILES.items():
        table = _read(folder / file)
        written.append(folder / f"{part}.parquet")
        with whole_file(written[-1]) as draft:
            pq.write_table(table, draft)
    return written


def _read(path: Path) -> pa.Table:
    rows = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            label, *features = line.split()
            ids = [int(feature.removesuffix(":1")) for feature in features]
            rows.append((int(float(label) > 0), *_ten(ids)))
        except ValueError as error:
            raise DataError(
                f"{path}, line {number}: expected a label and ten features, such as `-1 451:1 4149:1 ...`, found "
                f"{line[:80]!r}. Fetch the file again."
            ) from error
    values_nF = np.array(rows, np.int32).reshape(len(rows), 1 + len(FIELDS))
    return pa.table(dict(zip(("label", *FIELDS), values_nF.T, strict=True)))


def _ten(ids: list[int]) -> list[int]:
    if len(ids) != len(FIELDS):
        raise ValueError(f"{len(ids)} features")
    return ids
