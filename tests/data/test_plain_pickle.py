"""Pickles read without unpickling: byte for byte as Python 2 and 3 write them, and those that would run something."""

from __future__ import annotations

import pytest

from shortlist.core.errors import DataError
from shortlist.data.plain_pickle import lists_of

# ([[1, 300], [70000]], [7, 7]), by protocols 0, 2 and 4.
OF_PYTHON_2 = b"((lp0\n(lp1\nI1\naI300\naa(lp2\nI70000\naa(lp3\nI7\naI7\natp4\n."
PROTOCOL_2 = b"\x80\x02]q\x00(]q\x01(K\x01M,\x01e]q\x02Jp\x11\x01\x00ae]q\x03(K\x07K\x07e\x86q\x04."
PROTOCOL_4 = (
    b"\x80\x04\x95\x1c\x00\x00\x00\x00\x00\x00\x00"
    b"]\x94(]\x94(K\x01M,\x01e]\x94Jp\x11\x01\x00ae]\x94(K\x07K\x07e\x86\x94."
)


@pytest.mark.parametrize("data", [OF_PYTHON_2, PROTOCOL_2, PROTOCOL_4])
def test_lists_and_numbers_are_read(data: bytes) -> None:
    assert lists_of(data) == ([[1, 300], [70_000]], [7, 7])


def test_a_list_that_is_there_twice_is_one() -> None:
    assert lists_of(b"\x80\x02]q\x00(]q\x01K\x05ah\x01e.") == [[5], [5]]
    assert lists_of(b"\x80\x04(]\x94K\x05ah\x00l.") == [[5], [5]]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "GLOBAL"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "SHORT_BINUNICODE"),
        (b"\x80\x02]q\x00(K\x01", "pickle exhausted"),
        (b"items\n1\n2\n", "expected a pickle of lists"),
        (b"", "expected a pickle of lists"),
        (b"a.", "expected a pickle of lists"),
        (b"K\x01K\x02.", "expected a pickle of lists"),
    ],
)
def test_anything_else_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        lists_of(data)
