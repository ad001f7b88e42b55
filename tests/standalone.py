"""A standalone Spark cluster of this machine: a master and two workers, each a process."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


def waited_for(condition: Callable[[], bool], seconds: float = 300) -> bool:
    """Whether it came true within so many seconds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def running(spark: Path, folder: Path) -> Iterator[str]:
    """The master's address, while it and its workers run; they keep what they write in `folder`."""
    port = _free_port()
    master = f"spark://127.0.0.1:{port}"
    at = ["--host", "127.0.0.1", "--webui-port", "0"]
    workers = [["Worker", *at, "--cores", "1", "--memory", "1g", "--work-dir", str(folder / name)] for name in "ab"]
    commands = [["Master", *at, "--port", str(port)], *([*worker, master] for worker in workers)]
    with ExitStack() as processes:
        for role, *words in commands:
            name = f"org.apache.spark.deploy.{role.lower()}.{role}"
            command = [str(spark / "bin" / "spark-class"), name, *words]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            processes.callback(process.wait)
            processes.callback(process.terminate)
        assert waited_for(lambda: _answers(port))
        yield master


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
