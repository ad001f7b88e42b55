"""Proposing a recipe: what tables look like they are for, with the reason for each guess."""

from __future__ import annotations

from shortlist.tables.propose.proposal import Finding, Proposal, propose
from shortlist.tables.propose.roles import Hints

__all__ = ["Finding", "Hints", "Proposal", "propose"]
