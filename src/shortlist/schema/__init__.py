"""Facts about columns, resolved once when the tables are prepared and read by everything after; no torch."""

from __future__ import annotations

from shortlist.schema.columns import Column, Inputs, Kind, Schema, Side, Split, Target, TargetKind

__all__ = ["Column", "Inputs", "Kind", "Schema", "Side", "Split", "Target", "TargetKind"]
