"""Work on a Spark cluster: the session, functions that run on executors, and what goes wrong there as one error."""

from __future__ import annotations
