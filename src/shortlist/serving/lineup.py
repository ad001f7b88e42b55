"""What answers: one bundle, or several beside each other, of which every user always meets the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from shortlist.core.errors import UserError
from shortlist.serving.service import Service
from shortlist.serving.settings import MAIN

_HASHES = 2**64


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant of an experiment."""

    name: str
    service: Service
    propensity: float
    """Its part of the users; the parts of all arms add up to 1."""


class Lineup:
    """The arms of one experiment; a single one is none."""

    def __init__(self, experiment: str, arms: Sequence[Arm]) -> None:
        self.experiment = experiment
        self.arms = tuple(arms)
        self.is_experiment = len(self.arms) > 1

    @classmethod
    def single(cls, service: Service) -> Self:
        """One bundle for everybody."""
        return cls(MAIN, [Arm(MAIN, service, 1.0)])

    @property
    def first(self) -> Service:
        """The service of the first arm: it describes requests, and answers what is not part of an experiment."""
        return self.arms[0].service

    def choose(self, user_id: int | str | None, request_id: str) -> Arm:
        """The arm for a user, or for a request that names none.

        The hash of both experiment and user, so that the same users do not share an arm in the next experiment too:
        Kohavi, Tang, Xu, Trustworthy Online Controlled Experiments, 2020, chapter 4.
        """
        if not self.is_experiment:
            return self.arms[0]
        who = f"request {request_id}" if user_id is None else f"user {user_id}"
        digest = hashlib.blake2b(who.encode(), digest_size=8, key=_key(self.experiment)).digest()
        place, end = int.from_bytes(digest, "big") / _HASHES, 0.0
        for arm in self.arms:
            end += arm.propensity
            if place < end:
                return arm
        return self.arms[-1]


def shares(weights: Sequence[float]) -> list[float]:
    """The weights as parts of 1; UserError where one is not above 0."""
    if any(not 0 < weight < float("inf") for weight in weights):
        raise UserError(f"the shares of variants must be numbers above 0, found {list(weights)}")
    total = sum(weights)
    return [weight / total for weight in weights]


def _key(experiment: str) -> bytes:
    """At most 64 bytes, which is what BLAKE2b takes as a key."""
    return hashlib.blake2b(experiment.encode(), digest_size=32).digest()
