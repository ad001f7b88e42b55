"""The measuring side: contestants as processes that stay loaded, so that all of them can take turns in one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from benchmarks.environments import CannotInstallError, interpreter
from benchmarks.harness import ONE_THREAD, Options, say, useful_line
from benchmarks.worker import ANSWERS

_ROOT = Path(__file__).parents[1]


class ContestantError(Exception):
    """A contestant ended or refused, with the first useful line of why."""


class Contestant:
    """One worker process. As a context manager it ends with the block."""

    def __init__(self, name: str, python: Path, module: str, settings: Mapping[str, Any], log: Path) -> None:
        """Start `python -m module`, hand it its settings, and wait until it is loaded."""
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        # A pipe of their own: on standard output libraries print, some of them from a thread as they are imported.
        read, write = os.pipe()
        with os.fdopen(write, "wb"), log.open("wb") as output, ExitStack() as undo:
            self._answers = undo.enter_context(os.fdopen(read, encoding="utf-8"))
            self._process = subprocess.Popen(
                [str(python), "-m", module],
                cwd=_ROOT,
                env={**os.environ, **ONE_THREAD, ANSWERS: str(write)},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=(write,),
                text=True,
            )
            undo.pop_all()
        try:
            self._send(settings)
        except BaseException:
            self.close()
            raise

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have something done; ContestantError if that fails."""
        return self._send({"do": do, **arguments})

    def rate(self, do: str, **arguments: Any) -> float:
        """Rows a CPU-second of something that answers with `rows` and `cpu_s`."""
        found = self.ask(do, **arguments)
        return float(found["rows"] / found["cpu_s"])

    def _send(self, values: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(dict(values)) + "\n")
            self._process.stdin.flush()
            line = self._answers.readline()
        except OSError:
            line = ""
        if not line:
            raise ContestantError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ContestantError(useful_line(answer["error"]))
        return answer

    def _last_words(self) -> str:
        code = self._process.wait()
        said = self.log.read_text(encoding="utf-8", errors="replace")
        return f"ended with exit code {code}: {useful_line(said)}"

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._answers.close()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Field:
    """The contestants that could be started, and why the others could not."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.there: dict[str, Contestant] = {}
        self.absent: dict[str, str] = {}
        self._open = ExitStack()

    def add(self, name: str, module: str, settings: Mapping[str, Any], peer: str | None = None) -> None:
        """Start a worker: with the environment of `peer`, or with this Python for one of ours."""
        log = self.options.folder("logs") / f"{name.replace(' ', '-')}.log"
        try:
            python = interpreter(peer, self.options.work) if peer else Path(sys.executable)
            contestant = Contestant(name, python, module, settings, log)
        except (CannotInstallError, ContestantError, OSError) as error:
            self.absent[name] = str(error)
            say(f"{name}: not measured: {error}")
            return
        self.there[name] = self._open.enter_context(contestant)
        say(f"{name}: ready")

    def ask_all(self, do: str, names: list[str], **arguments: Any) -> dict[str, dict[str, Any]]:
        """Ask each of `names` the same; one that fails is absent from then on."""
        found = {}
        for name in names:
            try:
                found[name] = self.there[name].ask(do, **arguments)
            except ContestantError as error:
                self.absent[name] = str(error)
                say(f"{name}: {do} failed: {error}")
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
