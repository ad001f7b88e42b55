"""Fitting the calibration of a ranker's probabilities: on its validation rows, as the bundle scores them.

Legend: N rows, G groups of rows with like logits, P parts: such groups, or blocks of them that were pooled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from shortlist.bundle.recommender import Recommender
from shortlist.core.progress import Reporter
from shortlist.data.prepared import Prepared
from shortlist.evaluation.ranking import score
from shortlist.evaluation.tasks import Task
from shortlist.funnel.calibration import Calibration, Isotonic, Platt
from shortlist.metrics._arrays import FloatArray, IntArray, LabelArray
from shortlist.metrics._binary import ranks, weight_below
from shortlist.schema import Split, TargetKind

MOST_KNOTS = 256
"""Of an isotonic calibration: rows are put into so many groups of like logits first, where there are more."""

Method = Literal["platt", "isotonic"]


def choose_calibrations(
    recommender: Recommender, prepared: Prepared, method: Method, reporter: Reporter
) -> dict[str, Calibration]:
    """A calibration for each binary target, fitted on the validation rows that evaluation would measure it on.

    A target is left out, and the reporter told, where its rows all have one rate, or where a higher logit does not mean
    a higher rate: no rising function would mend that, and any other would turn the order round.
    """
    rows = score(recommender, prepared, Split.VALID, reporter)
    found = {}
    for task in rows.tasks():
        if task.target.kind != TargetKind.BINARY:
            continue
        calibration = _fitted(task, method)
        if isinstance(calibration, str):
            reporter.say("export", f"`{task.target.name}` is not calibrated: {calibration}")
        else:
            found[task.target.name] = calibration
    return found


def _fitted(task: Task, method: Method) -> Calibration | str:
    """The calibration, or why there is none."""
    rates = np.unique(task.happened_N[task.weight_N > 0])
    if len(rates) < 2:
        which = "there is no validation row" if not len(rates) else f"all validation rows have label {rates[0]:g}"
        return f"{which}, and a rate is learned from rows of both"
    fit = FITS[method](task.logit_N, task.happened_N, task.weight_N)
    return fit or "on the validation rows a higher logit does not mean a higher rate"


def fit_platt(logit_N: FloatArray, rate_N: LabelArray, weight_N: FloatArray) -> Platt | None:
    """The most likely slope and offset by Newton's method; None where the slope is not above 0.

    Labels are drawn in a little, to (N1 + 1) / (N1 + 2) and 1 / (N0 + 2) of N1 positive and N0 negative rows, so that
    rows that a logit divides wholly have a finite slope (Platt 1999); a rate between counts for both, by its share.
    Steps are halved until the likelihood rises: Lin, Lin, Weng, A Note on Platt's Probabilistic Outputs for Support
    Vector Machines, Machine Learning 68, 2007.
    """
    x_N, mean, deviation, weight_N = _standardised(logit_N, weight_N)
    if deviation == 0:
        return None
    rate_N = np.asarray(rate_N, np.float64)
    positive, negative = weight_N @ rate_N, weight_N @ (1 - rate_N)
    goal_N = rate_N * (positive + 1) / (positive + 2) + (1 - rate_N) / (negative + 2)
    x_N2 = np.stack([x_N, np.ones_like(x_N)], axis=1)

    def loss(line_2: FloatArray) -> float:
        z_N = x_N2 @ line_2
        return float(weight_N @ (np.logaddexp(0, z_N) - goal_N * z_N))

    line_2 = np.array([0.0, np.log((positive + 1) / (negative + 1))])
    for _ in range(100):
        p_N = Platt()(x_N2 @ line_2)
        slope_2 = x_N2.T @ (weight_N * (p_N - goal_N))
        if np.abs(slope_2).max() < 1e-10 * weight_N.sum():
            break
        curve_22 = (x_N2 * (weight_N * p_N * (1 - p_N))[:, None]).T @ x_N2
        line_2 = _descended(loss, line_2, np.linalg.solve(curve_22 + 1e-12 * np.eye(2), slope_2))
    slope, offset = line_2[0] / deviation, line_2[1] - line_2[0] * mean / deviation
    return Platt(slope=float(slope), offset=float(offset)) if slope > 0 else None


def fit_isotonic(logit_N: FloatArray, rate_N: LabelArray, weight_N: FloatArray) -> Isotonic | None:
    """The rising steps of least squared error by pooling adjacent violators; None where there is but one step.

    A knot stands at each step's mean logit, and straight lines between them: logits of one step keep their order (Oron,
    Flournoy, Centered Isotonic Regression, Statistics in Biopharmaceutical Research 9(3), 2017). A rate of 0 or 1 is
    drawn in as far as one row more of either label would.
    """
    weight_N = np.asarray(weight_N, np.float64)
    kept = weight_N > 0
    logit_N, rate_N, weight_N = np.asarray(logit_N, np.float64)[kept], rate_N[kept], weight_N[kept]
    group_N = _groups(logit_N, weight_N)
    weight_G, rate_G = _means(group_N, rate_N, weight_N)
    block_N = pooled(rate_G, weight_G)[group_N]
    _, rate_P = _means(block_N, rate_N, weight_N)
    _, logit_P = _means(block_N, logit_N, weight_N)
    if len(rate_P) < 2:
        return None
    least = 1 / (len(logit_N) + 2)
    return Isotonic(logits=tuple(logit_P.tolist()), probabilities=tuple(np.clip(rate_P, least, 1 - least).tolist()))


FITS: Mapping[Method, Callable[[FloatArray, LabelArray, FloatArray], Calibration | None]] = {
    "platt": fit_platt,
    "isotonic": fit_isotonic,
}


def pooled(value_G: FloatArray, weight_G: FloatArray) -> IntArray:
    """block_G, from 0: values in their order, neighbours pooled until the blocks' weighted means rise.

    Ayer, Brunk, Ewing, Reid, Silverman, An Empirical Distribution Function for Sampling with Incomplete Information,
    Annals of Mathematical Statistics 26(4), 1955.
    """
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(value_G.tolist(), weight_G.tolist(), strict=True):
        mean, mass, count = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, mass_before, count_before = blocks.pop()
            mean = (before * mass_before + mean * mass) / (mass_before + mass)
            mass, count = mass + mass_before, count + count_before
        blocks.append((mean, mass, count))
    return np.repeat(np.arange(len(blocks)), [count for *_, count in blocks])


def _means(part_N: IntArray, value_N: LabelArray, weight_N: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Of each part its weight and its weighted mean."""
    weight_P = np.bincount(part_N, weights=weight_N).astype(np.float64)
    return weight_P, np.bincount(part_N, weights=weight_N * value_N) / weight_P


def _groups(logit_N: FloatArray, weight_N: FloatArray) -> IntArray:
    """group_N, rising with the logit: one for each logit, or about MOST_KNOTS of like weight where there are more."""
    rank_N = ranks(logit_N)
    if rank_N.max() < MOST_KNOTS:
        return rank_N
    quantile_N = weight_below(rank_N, weight_N) / weight_N.sum()
    _, group_N = np.unique((quantile_N * MOST_KNOTS).astype(np.int64), return_inverse=True)
    return group_N


def _standardised(logit_N: FloatArray, weight_N: FloatArray) -> tuple[FloatArray, float, float, FloatArray]:
    """Logits with mean 0 and deviation 1, that mean and deviation, and weights with mean 1 over rows that have any."""
    x_N, weight_N = np.asarray(logit_N, np.float64), np.asarray(weight_N, np.float64)
    weight_N = weight_N * (np.count_nonzero(weight_N) / weight_N.sum())
    mean = float(np.average(x_N, weights=weight_N))
    deviation = float(np.sqrt(np.average((x_N - mean) ** 2, weights=weight_N)))
    # Of equal logits the mean is a rounding away from them.
    if deviation <= 1e-9 * max(abs(mean), 1.0):
        return x_N, mean, 0.0, weight_N
    return (x_N - mean) / deviation, mean, deviation, weight_N


def _descended(loss: Callable[[FloatArray], float], start_2: FloatArray, step_2: FloatArray) -> FloatArray:
    """`start_2` less the step, or less the half of it, and so on, until that loses less; the start if nothing does."""
    before = loss(start_2)
    for _ in range(40):
        if loss(start_2 - step_2) <= before:
            return start_2 - step_2
        step_2 = step_2 / 2
    return start_2
