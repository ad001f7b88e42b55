"""What goes wrong on a cluster, as one error of ours with one line of Spark's, not the stacks of two machines."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from shortlist.core import errors
from shortlist.core.errors import UserError
from shortlist.core.extras import need

MARK = "shortlist-fault"
"""Before the JSON of a UserError, `kind` and `text`, that an executor sends to the driver."""
_WAITED = "Exception thrown in awaitResult"
_SENT = re.compile(MARK + r" (\{.*\})")
_TRACEBACK = "Traceback (most recent call last):\n"
_OTHERS = re.compile(r"Stage failed because barrier task .* finished unsuccessfully\.\n")
"""All tasks of a barrier stage end with the first one that fails, of which the next line tells."""
_UNSAID = "Spark does not say why"
_JVM_STACK = re.compile(r"\n\tat |\nDriver stacktrace")


def spark_exceptions(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What PySpark raises: its own errors, those of the JVM, those of a connection to it that was lost; and `more`."""
    ours, jvms = need("pyspark.errors", "spark", "work on Spark"), need("py4j.protocol", "spark", "work on Spark")
    return ours.PySparkException, jvms.Py4JError, ConnectionError, *more


@contextlib.contextmanager
def spark_errors(otherwise: Callable[[str], UserError]) -> Iterator[None]:
    """Raise what an executor sent as what it was there, and Spark's own errors as `otherwise` makes of their reason."""
    try:
        yield
    except spark_exceptions() as error:
        sent = _SENT.search(said(error))
        if sent is None:
            raise otherwise(reason(error)) from error
        told = json.loads(sent[1])
        kind = getattr(errors, told["kind"], UserError)
        # A RecipeError is made of its problems, of which only the text was sent.
        raise (UserError if kind is errors.RecipeError else kind)(told["text"]) from error


def reason(error: Exception) -> str:
    """The one line that says what went wrong.

    Spark wraps a failed task's message in that of its stage. Where Python failed, the line that counts stands below the
    last of Python's stacks, which an error that is raised from another has one of for each.
    """
    _, is_python, text = said(error).rpartition(_TRACEBACK)
    text = _OTHERS.split(text)[-1]
    lines = [line for line in _JVM_STACK.split(text)[0].splitlines() if line.strip()]
    if is_python:
        return next((line for line in lines if not line[0].isspace()), _UNSAID)
    return lines[0].rpartition("Exception: ")[2].strip().rstrip(".") if lines else _UNSAID


def said(error: Exception) -> str:
    """All that the JVM says, or else PySpark; what only says that somebody waited for it is passed over."""
    cause: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while cause is not None:
        text = str(cause.getMessage() or cause.toString()).strip()
        if not text.startswith(_WAITED):
            return text
        cause = cause.getCause()
    return str(error).strip()
