"""Sources: files, folders, globs, formats, and what is no source."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import DataError
from shortlist.tables.sources import find_source, source_files

TABLE = pa.table({"user": [1, 2], "item": [3, 4]})


def _parquet(path: Path, table: pa.Table = TABLE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
    return path


def test_a_file_a_folder_and_a_glob_give_their_files_in_order(tmp_path: Path) -> None:
    first, second = _parquet(tmp_path / "log" / "a.parquet"), _parquet(tmp_path / "log" / "b.parquet")
    assert source_files(str(first)) == [first]
    assert source_files(str(tmp_path / "log")) == [first, second]
    assert source_files(str(tmp_path / "log" / "*.parquet")) == [first, second]
    assert source_files(str(tmp_path / "**" / "b.parquet")) == [second]


def test_a_folder_is_read_below_too_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    inner = _parquet(tmp_path / "day=1" / "part-0.parquet")
    _parquet(tmp_path / "_temporary" / "part-1.parquet")
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / ".part-0.parquet.crc").write_bytes(b"crc")
    (tmp_path / "README.md").write_text("about")
    assert source_files(str(tmp_path)) == [inner]


@pytest.mark.parametrize(
    ("name", "text", "delimiter"),
    [
        ("a.csv", "user,item\n1,2\n", ","),
        ("a.csv", "user;item\n1;2\n", ";"),
        ("a.csv", '"user, or session"|item\n1|2\n', "|"),
        ("a.tsv", "user\titem, or page, or ad\n1\t2\n", "\t"),
        ("a.csv", "user\n1\n", ","),
    ],
)
def test_the_delimiter_is_what_parts_the_first_line(tmp_path: Path, name: str, text: str, delimiter: str) -> None:
    (tmp_path / name).write_text(text)
    assert find_source(str(tmp_path / name)).delimiter == delimiter


def test_endings_say_the_format(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.TSV.GZ", "wt") as file:
        file.write("user\titem\n")
    (tmp_path / "b.jsonl").write_text('{"user": 1}\n')
    found = find_source(str(tmp_path / "a.TSV.GZ"))
    assert (found.format, found.delimiter) == ("csv", "\t")
    assert find_source(str(tmp_path / "b.jsonl")).format == "json"
    assert find_source(str(_parquet(tmp_path / "c.pq"))).format == "parquet"


def test_nothing_there_says_what_is_there_instead(tmp_path: Path) -> None:
    _parquet(tmp_path / "ratings.parquet")
    (tmp_path / "deep").mkdir()
    with pytest.raises(DataError) as raised:
        source_files(str(tmp_path / "rating.parquet"))
    message = str(raised.value)
    assert "deep/, ratings.parquet" in message
    assert "Did you mean `ratings.parquet`?" in message


def test_nothing_that_matches_a_glob(tmp_path: Path) -> None:
    _parquet(tmp_path / "ratings.parquet")
    with pytest.raises(DataError, match=r"a file that matches; .* holds ratings\.parquet"):
        source_files(str(tmp_path / "*.csv"))


def test_a_missing_folder_shows_the_nearest_one_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match=r"holds data/\.$"):
        source_files(str(tmp_path / "absent" / "log" / "a.csv"))


def test_empty_folder_and_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found an empty folder"):
        source_files(str(tmp_path / "empty"))
    (tmp_path / "a.csv").touch()
    with pytest.raises(DataError, match="an empty file of 0 bytes"):
        find_source(str(tmp_path / "a.csv"))


def test_mixed_formats_are_named(tmp_path: Path) -> None:
    _parquet(tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("user,item\n")
    with pytest.raises(DataError, match=r"csv \(b\.csv\), parquet \(a\.parquet\)"):
        find_source(str(tmp_path))


@pytest.mark.parametrize("name", ["log.xlsx", "log", "log.csv.zip"])
def test_an_unknown_ending_says_what_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("user,item\n")
    with pytest.raises(DataError, match=r"expected Parquet .* CSV"):
        source_files(str(tmp_path / name))
    with pytest.raises(DataError, match=r"expected Parquet .* CSV"):
        source_files(str(tmp_path))


def test_a_parquet_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    path = _parquet(tmp_path / "a.parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"a\.parquet: expected a whole Parquet file"):
        find_source(str(path))


def test_files_of_several_tables_are_told_apart(tmp_path: Path) -> None:
    _parquet(tmp_path / "a.parquet")
    _parquet(tmp_path / "b.parquet", pa.table({"item": [1], "price": [2.0]}))
    with pytest.raises(DataError, match=r"a\.parquet has user, item; b\.parquet has item, price"):
        find_source(str(tmp_path))
    (tmp_path / "csv").mkdir()
    (tmp_path / "csv" / "a.csv").write_text("user,item\n")
    (tmp_path / "csv" / "b.csv").write_text("item\n")
    with pytest.raises(DataError, match=r"b\.csv has item"):
        find_source(str(tmp_path / "csv"))


def test_delta_tables_and_addresses_are_refused(tmp_path: Path) -> None:
    _parquet(tmp_path / "part-0.parquet")
    (tmp_path / "_delta_log").mkdir()
    with pytest.raises(DataError, match="a Delta table"):
        source_files(str(tmp_path))
    with pytest.raises(DataError, match="found an address"):
        source_files("s3://bucket/log.parquet")


def test_text_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("größe,item\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"a\.csv: expected text in UTF-8"):
        find_source(str(tmp_path / "a.csv"))


CRITEO = "0\t1\t\t68fd1e64\n1\t\t5\t\n"


def test_text_without_a_header_has_the_names_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(CRITEO)
    found = find_source(str(tmp_path / "train.txt"), ["label", "I1", "I2", "C1"])
    assert (found.format, found.delimiter, found.columns) == ("csv", "\t", ("label", "I1", "I2", "C1"))


def test_a_wrong_number_of_names_is_counted(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text(CRITEO)
    with pytest.raises(DataError, match=r"train\.txt: expected the 2 columns .* found 4 in its first line"):
        find_source(str(tmp_path / "train.txt"), ["label", "I1"])


def test_names_for_files_that_have_their_own_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user,item\n1,2\n")
    with pytest.raises(DataError, match="its first line is a header"):
        find_source(str(tmp_path / "a.csv"), ["user", "item"])
    with pytest.raises(DataError, match=r"Leave data\.columns out"):
        find_source(str(_parquet(tmp_path / "a.parquet")), ["user", "item"])


def test_a_note_beside_tables_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("about these data")
    with pytest.raises(DataError, match=r"found readme\.txt, which may be a note"):
        source_files(str(tmp_path))
    (tmp_path / "a.csv").write_text("user,item\n")
    assert source_files(str(tmp_path)) == [tmp_path / "a.csv"]


def test_a_table_of_a_catalogue_is_no_file() -> None:
    with pytest.raises(DataError, match=r'found the name of a table, which compute\.engine = "spark" alone reads'):
        source_files("table:main.shop.log")
