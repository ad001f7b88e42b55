"""The stages of a run: what there is to do, and what is already done."""

from __future__ import annotations

from shortlist.pipeline.run import Run, run_stages
from shortlist.pipeline.times import Times

__all__ = ["Run", "Times", "run_stages"]
