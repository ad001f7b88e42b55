"""Batch scoring on a cluster: every user's list, part by part, from one bundle that each executor opens once."""

from __future__ import annotations
