"""When the demo shop is busy: hour of the day, day of the week, season of the year."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shortlist.data.shop.goods import CATEGORIES

START = 1_740_960_000
"""Monday 3 March 2025, 00:00 UTC, in Unix seconds: where every simulation begins."""
DAY = 86_400
_START_DAY_OF_YEAR = 61
_MIDSUMMER_DAY_OF_YEAR = 197

_HOUR_WEIGHTS = np.array(
    [2, 1, 1, 1, 2, 5, 18, 40, 48, 38, 32, 34, 42, 36, 26, 26, 34, 50, 58, 52, 44, 34, 18, 6],
    dtype=np.float64,
)
_WEEKDAY_WEIGHTS = np.array([0.90, 0.85, 0.90, 0.95, 1.15, 1.35, 0.90])
_YEARLY_SWING = 0.12

_SUMMER_C = np.array([category.summer for category in CATEGORIES], dtype=np.float32)
_MORNING_C = np.array([category.morning for category in CATEGORIES], dtype=np.float32)

Days = NDArray[np.float64]
"""Moments, in days since START."""


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """Turns even, unit-rate time into the shop's time, in which an hour holds as many visits as it should.

    `busy_H[h]` is the expected number of visits, at one a day on average, before hour h. Drawing exponential
    gaps on that scale and mapping them back is the inversion method for an inhomogeneous Poisson process
    (Çinlar 1975).
    """

    busy_H: Days

    @classmethod
    def of(cls, days: int) -> Clock:
        """A clock for a simulation of `days` days."""
        hour_H = np.arange(24 * days)
        weights_H = _HOUR_WEIGHTS[hour_H % 24] / _HOUR_WEIGHTS.mean() * _WEEKDAY_WEIGHTS[hour_H // 24 % 7]
        # People shop a little more in the dark months.
        weights_H = weights_H * (1 - _YEARLY_SWING * season(hour_H / 24)) / 24
        return cls(np.concatenate([[0.0], np.cumsum(weights_H)]))

    def even(self, moment: Days) -> Days:
        """Expected visits, at one a day, before each moment."""
        return np.interp(moment * 24, np.arange(len(self.busy_H)), self.busy_H)

    def moment(self, even: Days) -> Days:
        """Inverse of `even`; what lies beyond the end is infinitely late."""
        return np.interp(even, self.busy_H, np.arange(len(self.busy_H)), right=np.inf) / 24


def season(moment: Days) -> Days:
    """1 in mid-summer, -1 in mid-winter."""
    return np.cos(2 * np.pi * (moment + _START_DAY_OF_YEAR - _MIDSUMMER_DAY_OF_YEAR) / 365.25)


def pull(moment_S: Days) -> NDArray[np.float32]:
    """Log lift of each category's demand at each moment, [S, C]."""
    hour_S = moment_S % 1 * 24
    before_noon_S = 1 / (1 + np.exp(hour_S - 11.5)) - 0.5
    return (
        season(moment_S).astype(np.float32)[:, None] * _SUMMER_C
        + before_noon_S.astype(np.float32)[:, None] * _MORNING_C
    )
