"""UCI Adult, the census of 1994: its two text files as one table with two targets.

Becker and Kohavi: Adult, UCI Machine Learning Repository, 1996. CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from shortlist.core.errors import DataError
from shortlist.core.files import whole_file

FILES = {"train": "adult.data", "test": "adult.test"}
_NUMBERS = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours_per_week")
_COLUMNS = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship"),
    *("race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income"),
)


def convert_adult(folder: Path) -> list[Path]:
    """Write people.parquet: both files with `split`, `label_income` and `label_never_married`; "?" is missing."""
    parts = []
    for part, file in FILES.items():
        table = _read(folder / file)
        parts.append(table.append_column("split", pa.array([part] * len(table))))
    people = pa.concat_tables(parts)
    people = people.append_column("label_income", pc.equal(people["income"], ">50K").cast(pa.int8()))
    never = pc.equal(people["marital_status"], "Never-married").cast(pa.int8())
    path = folder / "people.parquet"
    with whole_file(path) as draft:
        pq.write_table(people.append_column("label_never_married", never), draft)
    return [path]


def _read(path: Path) -> pa.Table:
    """Values stand behind a comma and a space; the test file begins with a note and ends each income with a dot."""
    lines = [line for line in path.read_bytes().splitlines() if b"," in line]
    text = b"\n".join(line.replace(b", ", b",").rstrip(b".") for line in lines)
    try:
        return csv.read_csv(
            pa.BufferReader(text),
            read_options=csv.ReadOptions(column_names=list(_COLUMNS)),
            convert_options=csv.ConvertOptions(
                column_types={name: pa.int32() if name in _NUMBERS else pa.string() for name in _COLUMNS},
                null_values=["?"],
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: expected the 15 columns of UCI Adult; {error}. Fetch the file again.") from error
