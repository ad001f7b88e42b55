"""From a trunk's last hidden layer to the outputs of every target: how several targets share a network.

A model is a trunk and a head. With one target `shared_bottom` is a linear layer; with several, heads differ in what the
targets share.
"""

from __future__ import annotations

from shortlist.nn.heads.base import Head
from shortlist.nn.heads.choice import HeadSettings, TaskSettings, build_head

__all__ = ["Head", "HeadSettings", "TaskSettings", "build_head"]
