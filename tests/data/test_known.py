"""Known data sets, fetched from a server on loopback: whole, by hash, or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import socket
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from shortlist.core.errors import EnvironmentFault, UserError
from shortlist.core.progress import Advance, Silent
from shortlist.data.known import KNOWN, DataUnavailable, get

ONE_M = {
    "ml-1m/ratings.dat": "1::1193::5::978300760\n2::661::3::978302109\n1::2::1::978301968\n",
    "ml-1m/users.dat": "1::F::1::10::48067\n2::M::56::16::02138-1234\n",
    "ml-1m/movies.dat": (
        "1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
        '661::James: "The" Giant Peach, 2000 (1996)::Animation|Children\'s|Musical\n'
        "2::Misérables, Les (1995)::Drama|Musical\n"
    ),
}
HUNDRED_K = {
    "ml-100k/u.data": "196\t242\t3\t881250949\n186\t302\t4\t891717742\n",
    "ml-100k/u.user": "196|49|M|writer|55105\n186|39|F|executive|T8H1N\n",
    "ml-100k/u.genre": "unknown|0\nComedy|1\nFilm-Noir|2\n\n",
    "ml-100k/u.item": (
        "242|Kolya (1996)|24-Jan-1997||http://us.imdb.com/M/title-exact?Kolya%20(1996)|0|1|1\n302|unknown||||1|0|0\n"
    ),
}


def pack(members: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text.encode("latin-1"))
    return buffer.getvalue()


def md5_of(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class Server:
    """Serves each path's bytes, under a Content-Length that may lie."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.lengths: dict[str, int] = {}
        self.asked: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.asked.append(self.path)
                if self.path not in server.files:
                    self.send_error(404)
                    return
                content = server.files[self.path]
                self.send_response(200)
                self.send_header("Content-Length", str(server.lengths.get(self.path, len(content))))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                """Keep the test's output clean."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def serve(self, path: str, content: bytes) -> str:
        self.files[path] = content
        return self.url(path)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.http.server_port}{path}"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_movielens_1m_becomes_the_tables_that_the_recipe_reads(server: Server, tmp_path: Path) -> None:
    content = pack(ONE_M)
    folder = get("movielens-1m", tmp_path, server.serve("/ml-1m.zip", content), md5=md5_of(content))

    assert folder == tmp_path / "movielens-1m"
    assert files_below(tmp_path) == ["movies.parquet", "ratings.parquet", "users.parquet"]
    assert pq.read_table(folder / "ratings.parquet").to_pylist() == [
        {"user_id": 1, "movie_id": 1193, "rating": 5, "timestamp": 978300760},
        {"user_id": 2, "movie_id": 661, "rating": 3, "timestamp": 978302109},
        {"user_id": 1, "movie_id": 2, "rating": 1, "timestamp": 978301968},
    ]
    assert pq.read_table(folder / "users.parquet").to_pylist() == [
        {"user_id": 1, "gender": "F", "age": 1, "occupation": 10, "zip_code": "48067"},
        {"user_id": 2, "gender": "M", "age": 56, "occupation": 16, "zip_code": "02138-1234"},
    ]
    assert pq.read_table(folder / "movies.parquet").to_pylist() == [
        {
            "movie_id": 1193,
            "title": "One Flew Over the Cuckoo's Nest (1975)",
            "year": 1975,
            "genres": "Drama",
        },
        {
            "movie_id": 661,
            "title": 'James: "The" Giant Peach, 2000 (1996)',
            "year": 1996,
            "genres": "Animation|Children's|Musical",
        },
        {"movie_id": 2, "title": "Misérables, Les (1995)", "year": 1995, "genres": "Drama|Musical"},
    ]


def test_movielens_100k_joins_its_genre_flags(server: Server, tmp_path: Path) -> None:
    content = pack(HUNDRED_K)
    folder = get("movielens-100k", tmp_path, server.serve("/ml-100k.zip", content), md5=md5_of(content))

    assert pq.read_table(folder / "ratings.parquet").to_pylist()[0] == {
        "user_id": 196,
        "item_id": 242,
        "rating": 3,
        "timestamp": 881250949,
    }
    assert pq.read_table(folder / "users.parquet")["zip_code"].to_pylist() == ["55105", "T8H1N"]
    assert pq.read_table(folder / "items.parquet").to_pylist() == [
        {"item_id": 242, "movie_title": "Kolya", "release_year": 1996, "genres": "Comedy|Film-Noir"},
        {"item_id": 302, "movie_title": "unknown", "release_year": None, "genres": "unknown"},
    ]


def test_what_is_there_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    content = pack(ONE_M)
    url = server.serve("/ml-1m.zip", content)
    get("movielens-1m", tmp_path, url, md5=md5_of(content))
    get("movielens-1m", tmp_path, url, md5=md5_of(content))
    assert len(server.asked) == 1

    (tmp_path / "movielens-1m" / "users.parquet").unlink()
    get("movielens-1m", tmp_path, url, md5=md5_of(content))
    assert len(server.asked) == 2


class Recorder(Silent):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.total = 0
        self.done = 0

    def say(self, stage: str, message: str) -> None:
        self.said.append(message)

    @contextlib.contextmanager
    def bar(self, stage: str, total: int, unit: str) -> Iterator[Advance]:
        def advance(units: int, facts: str) -> None:
            self.done += units

        self.total = total
        yield advance


def test_progress_reaches_the_archive_s_size(server: Server, tmp_path: Path) -> None:
    content = pack(ONE_M | {"ml-1m/README": "x" * 1_000_000})
    recorder = Recorder()
    url = server.serve("/ml-1m.zip", content)
    get("movielens-1m", tmp_path, url, md5=md5_of(content), reporter=recorder)
    assert recorder.total == len(content) // 1024
    assert recorder.total - 8 <= recorder.done <= recorder.total
    assert "research use" in recorder.said[-1]


def test_an_archive_put_by_hand_is_used_without_a_connection(tmp_path: Path) -> None:
    content = pack(ONE_M)
    by_hand = tmp_path / "movielens-1m" / "ml-1m.zip"
    by_hand.parent.mkdir()
    by_hand.write_bytes(content)
    folder = get("movielens-1m", tmp_path, closed_port(), md5=md5_of(content))
    assert pq.read_metadata(folder / "ratings.parquet").num_rows == 3
    assert by_hand.is_file()


def test_without_internet_one_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    url = closed_port()
    with pytest.raises(DataUnavailable) as caught:
        get("movielens-1m", tmp_path, url)
    message = str(caught.value)
    assert url in message
    assert "refused" in message
    assert KNOWN["movielens-1m"].page in message
    assert str(tmp_path / "movielens-1m" / "ml-1m.zip") in message
    assert isinstance(caught.value, UserError)
    assert files_below(tmp_path) == []


def test_the_server_s_refusal_is_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="404 Not Found"):
        get("movielens-1m", tmp_path, server.url("/nothing.zip"))
    assert files_below(tmp_path) == []


def test_a_wrong_file_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    url = server.serve("/ml-1m.zip", pack(ONE_M))
    with pytest.raises(DataUnavailable, match=f"expected MD5 {KNOWN['movielens-1m'].md5}"):
        get("movielens-1m", tmp_path, url)
    assert files_below(tmp_path) == []


def test_a_download_cut_off_is_refused_and_removed(server: Server, tmp_path: Path) -> None:
    content = pack(ONE_M)
    url = server.serve("/ml-1m.zip", content[:-40])
    server.lengths["/ml-1m.zip"] = len(content)
    with pytest.raises(DataUnavailable, match=r"cut off|broke off"):
        get("movielens-1m", tmp_path, url, md5=md5_of(content))
    assert files_below(tmp_path) == []


def test_a_wrong_file_put_by_hand_is_refused_but_left_to_its_owner(tmp_path: Path) -> None:
    by_hand = tmp_path / "movielens-1m" / "ml-1m.zip"
    by_hand.parent.mkdir()
    by_hand.write_bytes(b"an error page")
    with pytest.raises(DataUnavailable, match="Delete it") as caught:
        get("movielens-1m", tmp_path, closed_port())
    assert str(by_hand) in str(caught.value)
    assert files_below(tmp_path) == ["ml-1m.zip"]


@pytest.mark.parametrize(
    ("members", "complaint"),
    [
        ({name: text for name, text in ONE_M.items() if "users" not in name}, "users.dat"),
        (ONE_M | {"ml-1m/ratings.dat": "1::1193::five::978300760\n"}, "five"),
        (ONE_M | {"ml-1m/users.dat": "1::F::1\n"}, "columns"),
    ],
)
def test_an_archive_of_another_shape_leaves_nothing(
    server: Server, tmp_path: Path, members: dict[str, str], complaint: str
) -> None:
    content = pack(members)
    with pytest.raises(DataUnavailable, match=complaint):
        get("movielens-1m", tmp_path, server.serve("/ml-1m.zip", content), md5=md5_of(content))
    assert files_below(tmp_path) == []


def test_what_is_no_archive_is_told(server: Server, tmp_path: Path) -> None:
    content = b"<html>please log in</html>"
    with pytest.raises(DataUnavailable, match="not a zip file"):
        get("movielens-1m", tmp_path, server.serve("/ml-1m.zip", content), md5=md5_of(content))


def test_a_full_disk_leaves_nothing_that_counts_as_done(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(table: object, path: object) -> None:
        raise OSError(28, "No space left on device")

    content = pack(ONE_M)
    monkeypatch.setattr("shortlist.data.movielens.pq.write_table", full)
    with pytest.raises(EnvironmentFault, match="disk is full"):
        get("movielens-1m", tmp_path, server.serve("/ml-1m.zip", content), md5=md5_of(content))
    assert files_below(tmp_path) == []


def test_an_unknown_name_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean `movielens-1m`"):
        get("movielens1m", tmp_path)


def test_only_web_addresses_are_opened(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="https://"):
        get("movielens-1m", tmp_path, "file:///etc/hostname")


def closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/ml-1m.zip"
