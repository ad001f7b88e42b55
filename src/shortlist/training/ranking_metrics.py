"""How well a ranker predicts each of its targets, on validation rows.

Legend: B and N rows, O outputs, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shortlist.features.rows import Floats
from shortlist.metrics._interval import Estimate
from shortlist.metrics._paired import paired_accuracy, paired_auc, paired_r2
from shortlist.metrics.accuracy import accuracy
from shortlist.metrics.auc import auc
from shortlist.metrics.r2 import r2
from shortlist.schema import Target, TargetKind
from shortlist.schema.columns import slices

_METRICS = {
    TargetKind.BINARY: ("auc", auc, paired_auc),
    TargetKind.REGRESSION: ("r2", r2, paired_r2),
    TargetKind.MULTICLASS: ("accuracy", accuracy, paired_accuracy),
}
"""By kind of target the metric that says how good it is, higher being better, and its difference between two."""


def metric_names(targets: Sequence[Target]) -> tuple[str, ...]:
    """Of each target the name of its metric: `auc` of the first, `purchase.auc` of another called `purchase`."""
    names = [_METRICS[target.kind][0] for target in targets]
    return (names[0], *(f"{target.name}.{name}" for target, name in zip(targets[1:], names[1:], strict=True)))


def predicted(outputs_BO: Tensor, targets: Sequence[Target]) -> Tensor:
    """predicted_BT in float32: a binary target's logit, a regression's value, the number of the likeliest class."""
    parts = [
        _predicted(target, outputs_BO[:, columns].float())
        for target, columns in zip(targets, slices(targets), strict=True)
    ]
    return torch.stack(parts, dim=1)


def metrics(targets: Sequence[Target], predicted_NT: Floats, targets_NT: Floats, weight_N: Floats) -> dict[str, float]:
    """The metrics by name over the rows that tell each target, by weight; without those that have no value.

    Without one are AUC and r2 where all rows have the same label or value, and any metric without rows. Not a number
    where a prediction is none.
    """
    found = {}
    for place, (target, name) in enumerate(zip(targets, metric_names(targets), strict=True)):
        told_N, label_N = _told(target, targets_NT[:, place], weight_N)
        least = 1 if target.kind == TargetKind.MULTICLASS else 2
        if len(np.unique(label_N)) >= least:
            found[name] = _measured(target.kind, predicted_NT[told_N, place], label_N, weight_N[told_N])
    return found


def difference(target: Target, a_N: Floats, b_N: Floats, happened_N: Floats, weight_N: Floats) -> Estimate:
    """How much better the target's metric is by the predictions a than by b, over the rows that tell the target."""
    told_N, label_N = _told(target, happened_N, weight_N)
    *_, between = _METRICS[target.kind]
    return between(a_N[told_N], b_N[told_N], label_N, weight_N[told_N])


def _told(target: Target, happened_N: Floats, weight_N: Floats) -> tuple[npt.NDArray[np.bool_], Floats]:
    """Which rows tell the target and count, and what they tell: of a binary one whether it happened at all."""
    told_N = ~np.isnan(happened_N) & (weight_N > 0)
    label_N = happened_N[told_N]
    return told_N, (label_N > 0).astype(np.float32) if target.kind == TargetKind.BINARY else label_N


def _predicted(target: Target, outputs_BC: Tensor) -> Tensor:
    if target.kind == TargetKind.MULTICLASS:
        return outputs_BC.argmax(1).float()
    output_B = outputs_BC[:, 0]
    value_B: Tensor = target.value(output_B) if target.kind == TargetKind.REGRESSION else output_B
    return value_B


def _measured(kind: TargetKind, predicted_N: Floats, label_N: Floats, weight_N: Floats) -> float:
    _, metric, _ = _METRICS[kind]
    return float(metric(predicted_N, label_N, weight_N)) if np.isfinite(predicted_N).all() else np.nan
