"""Tables: sources, the engines that read them, and what is counted, checked, split and joined in an engine."""

from __future__ import annotations
