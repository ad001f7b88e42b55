"""Learning rate schedules: by hand, resumed, and what is left out of them."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch

from shortlist.core.errors import RecipeError
from shortlist.recipe.training import Schedule
from shortlist.training.ftrl import FTRL
from shortlist.training.schedule import RateSchedule


def optimiser(lr: float = 0.4) -> torch.optim.Optimizer:
    return torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=lr)


def rates(steps: int, settings: dict[str, Any]) -> list[float]:
    """The rate of every step of a run, as a share of the optimiser's own."""
    adam = optimiser()
    schedule = RateSchedule(Schedule.model_validate(settings), [adam], steps)
    found = []
    for step in range(steps):
        schedule.before_step(step)
        found.append(adam.param_groups[0]["lr"] / 0.4)
    return found


ROOT = math.sqrt(0.5)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, [1, 1, 1, 1, 1, 1]),
        ({"warmup": 4}, [0.25, 0.5, 0.75, 1, 1, 1]),
        ({"warmup": 2, "decay": "linear"}, [0.5, 1, 1, 0.75, 0.5, 0.25]),
        ({"decay": "linear"}, [1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]),
        # (1 + cos(pi · k / 4)) / 2 for k = 0 … 3.
        ({"warmup": 2, "decay": "cosine"}, [0.5, 1, 1, (1 + ROOT) / 2, 0.5, (1 - ROOT) / 2]),
        ({"warmup": 2, "decay": "plateau"}, [0.5, 1, 1, 1, 1, 1]),
    ],
)
def test_the_rate_of_every_step_by_hand(settings: dict[str, Any], expected: list[float]) -> None:
    assert rates(6, settings) == pytest.approx(expected, rel=1e-14)


def test_rates_that_nothing_changes_keep_their_bits() -> None:
    assert rates(3, {}) == [1.0, 1.0, 1.0]


def test_every_group_keeps_its_own_rate() -> None:
    first, second = optimiser(0.8), optimiser(0.2)
    RateSchedule(Schedule(warmup=4), [first, second], 10).before_step(1)

    assert first.param_groups[0]["lr"] == 0.4
    assert second.param_groups[0]["lr"] == 0.1


def test_a_plateau_lowers_the_rate_after_epochs_without_a_better_score() -> None:
    adam = optimiser(1.0)
    schedule = RateSchedule(Schedule(decay="plateau", factor=0.5, patience=2), [adam], 100)
    found = []
    # Better, equal (1), worse (2: lowered), worse (1), better (0), worse (1), worse (2: lowered).
    for score in (0.5, 0.5, 0.4, 0.4, 0.6, 0.5, 0.5):
        schedule.after_epoch(score)
        schedule.before_step(7)
        found.append(adam.param_groups[0]["lr"])

    assert found == [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]


def test_scores_change_nothing_without_a_plateau() -> None:
    schedule = RateSchedule(Schedule(decay="none"), [optimiser()], 10)
    for _ in range(5):
        schedule.after_epoch(0.5)

    assert schedule.share(9) == 1.0


@pytest.mark.parametrize("decay", ["none", "linear", "cosine", "plateau"])
def test_a_resumed_run_has_the_rates_of_one_that_was_never_stopped(decay: str) -> None:
    settings = Schedule.model_validate({"warmup": 5, "decay": decay, "factor": 0.3})

    def epoch(schedule: RateSchedule, adam: torch.optim.Optimizer, number: int) -> list[float]:
        found = []
        for step in range(10 * number, 10 * (number + 1)):
            schedule.before_step(step)
            found.append(float(adam.param_groups[0]["lr"]))
        schedule.after_epoch(1 / (number + 1))
        return found

    straight = optimiser()
    schedule = RateSchedule(settings, [straight], 40)
    epoch(schedule, straight, 0)
    epoch(schedule, straight, 1)
    saved, groups = json.loads(json.dumps(schedule.state_dict())), json.loads(json.dumps(straight.state_dict()))
    expected = [epoch(schedule, straight, 2), epoch(schedule, straight, 3)]

    # The optimiser's state, with the rate of the last step in it, may come before or after the schedule is made.
    for loads_first in (True, False):
        resumed = optimiser()
        if loads_first:
            resumed.load_state_dict(groups)
        again = RateSchedule(settings, [resumed], 40)
        if not loads_first:
            resumed.load_state_dict(groups)
        again.load_state_dict(saved)
        assert [epoch(again, resumed, 2), epoch(again, resumed, 3)] == expected


def test_ftrl_is_left_out() -> None:
    weight = torch.zeros(2, requires_grad=True)
    ftrl = FTRL([weight], lr=0.5)
    schedule = RateSchedule(Schedule(decay="linear"), [ftrl, optimiser()], 3)
    for step in range(3):
        schedule.before_step(step)
        weight.grad = torch.ones(2)
        ftrl.step()

    assert ftrl.param_groups[0]["lr"] == 0.5


def test_a_warm_up_longer_than_the_run_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"ranking\.schedule\.warmup: 10 steps of warm-up, and the run has only 10"):
        RateSchedule(Schedule(warmup=10), [optimiser()], 10, "ranking.schedule")
