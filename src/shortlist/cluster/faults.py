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


@contextlib.contextmanager
def spark_errors(otherwise: Callable[[str], UserError]) -> Iterator[None]:
    """Raise what an executor sent as what it was there, and Spark's own errors as `otherwise` makes of their reason."""
    ours, jvms = need("pyspark.errors", "spark", "work on Spark"), need("py4j.protocol", "spark", "work on Spark")
    try:
        yield
    except (ours.PySparkException, jvms.Py4JError) as error:
        sent = _SENT.search(_text(error))
        if sent is None:
            raise otherwise(reason(error)) from error
        said = json.loads(sent[1])
        kind = getattr(errors, said["kind"], UserError)
        # A RecipeError is made of its problems, of which only the text was sent.
        raise (UserError if kind is errors.RecipeError else kind)(said["text"]) from error


def reason(error: Any) -> str:
    """The innermost message: a failed task's is wrapped in that of its stage, and Python's stands below its stack."""
    text = _text(error)
    _, is_python, stack = text.partition("Traceback (most recent call last):\n")
    if is_python:
        lines = stack.partition("\n\tat ")[0].splitlines()
        return next(line for line in reversed(lines) if line.strip() and not line.startswith(" ")).strip()
    return text.partition("\n")[0].rpartition("Exception: ")[2]


def _text(error: Any) -> str:
    """What the JVM says, or else PySpark; what only says that somebody waited for it is passed over."""
    cause = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while cause is not None:
        text = str(cause.getMessage() or cause.toString()).strip()
        if not text.startswith(_WAITED):
            return text
        cause = cause.getCause()
    return str(error).strip()
