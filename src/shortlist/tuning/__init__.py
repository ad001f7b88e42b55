"""Tuning: a search for better settings of a recipe, chosen on validation and measured once on the test."""

from __future__ import annotations

from shortlist.tuning.found import Found, Tuned
from shortlist.tuning.tuner import tune

__all__ = ["Found", "Tuned", "tune"]
