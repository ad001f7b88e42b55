"""The stages of a run: what there is to do, and what is already done."""

from __future__ import annotations

from shortlist.pipeline.run import Run, run_stages
from shortlist.pipeline.times import Times
from shortlist.pipeline.twins import compare_tasks

__all__ = ["Run", "Times", "compare_tasks", "run_stages"]
