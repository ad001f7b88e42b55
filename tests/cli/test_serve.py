"""`serve`: what keeps it from starting, and one real answer."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.cli.conftest import Shortlist


def test_a_port_in_use_says_so(done_shop: Path, shortlist: Shortlist) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = shortlist("serve", done_shop / "runs" / "films" / "bundle", "--port", port)

    assert said.code == 6
    assert str(port) in said.err
    assert "--port" in said.err


def test_a_folder_that_is_no_bundle(tmp_path: Path, shortlist: Shortlist) -> None:
    assert shortlist("serve", tmp_path).code == 4


def test_no_workers_are_too_few(tmp_path: Path, shortlist: Shortlist) -> None:
    said = shortlist("serve", tmp_path, "--workers", 0)

    assert said.code == 2
    assert "--workers: expected 1 or more, found 0" in said.err


@pytest.mark.integration
def test_a_request_is_answered_and_ctrl_c_ends_it(done_shop: Path) -> None:
    bundle = done_shop / "runs" / "films" / "bundle"
    command = [sys.executable, "-m", "shortlist.cli", "serve", str(bundle), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
        address = next(word for word in line.split() if word.startswith("http://")).rstrip(",/")
        request = urllib.request.Request(
            f"{address}/v1/recommend",
            json.dumps({"user_id": 7, "n": 3}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            answer = json.load(response)
        process.send_signal(signal.SIGINT)
        process.stderr.read()

    assert len(answer["items"]) == 3
    assert process.returncode == 0
