"""The section with the learning curves, and the ranker's calibration."""

from __future__ import annotations

from collections.abc import Sequence

from shortlist.evaluation.report.charts import Axis, Line, line_chart
from shortlist.evaluation.report.facts import Facts, Metrics
from shortlist.evaluation.report.markup import Markup, note, section, tag
from shortlist.evaluation.report.numbers import decimal, ticks


def learning(facts: Facts) -> Markup | None:
    """Training loss and validation metric by epoch, for each stage that was trained."""
    curves = {stage: curve for stage, curve in facts.curves.items() if curve}
    if not curves:
        return None
    charts = [chart for stage, curve in curves.items() if len(curve) > 1 for chart in _of_stage(stage, curve)]
    short = [note(_one_epoch(stage, curve[0])) for stage, curve in curves.items() if len(curve) == 1]
    text = note("The epoch with the best validation metric is the one that was kept and exported.")
    return section("learning", "How it learned", tag("div", *charts, class_="columns"), *short, text)


def best_epoch(curve: Sequence[Metrics]) -> int:
    """Position of the epoch that was kept: the first with the highest validation metric."""
    metric = next(iter(curve[0]["valid"]))
    return max(range(len(curve)), key=lambda i: (curve[i]["valid"][metric], -i))


def calibration(facts: Facts) -> Markup | None:
    """What the ranker predicted against what happened."""
    bins = facts.metrics.get("calibration")
    if not bins:
        return None
    points, before = _points(bins), _points(facts.metrics.get("calibration_before", ()))
    most = ticks(0, max(max(point) for point in [*points, *before]))[-1]
    lines = [
        Line("perfect", "grey", [(0, 0), (most, most)], dots=False, dashed=True),
        *([Line("before calibration", "late", before, dashed=True)] if before else []),
        Line("ranker", "ranking", points),
    ]
    predicted, observed = Axis("predicted probability", ticks(0, most)), Axis("observed rate", ticks(0, most))
    error = facts.value("ranking", "calibration_error")
    chart = line_chart("Predicted and observed rates", lines, predicted, observed)
    plain = facts.value("ranking", "calibration_error_before")
    mended = f", {decimal(plain)} before it was calibrated on validation rows" if plain is not None else ""
    text = note(
        f"{len(bins)} bins of equally many rows; calibration error {decimal(error)}{mended}. "
        f"Rows: {facts.protocol['ranking']}."
    )
    return section("calibration", "Whether probabilities can be believed", tag("div", chart, text, class_="columns"))


def _points(bins: Sequence[Metrics]) -> list[tuple[float, float]]:
    """Predicted and observed rates."""
    return [(entry["predicted"], entry["observed"]) for entry in bins]


def _one_epoch(stage: str, entry: Metrics) -> str:
    metric, value = next(iter(entry["valid"].items()))
    return f"{stage}: one epoch, training loss {decimal(entry['train_loss'])}, validation {metric} {decimal(value)}."


def _of_stage(stage: str, curve: Sequence[Metrics]) -> list[Markup]:
    epochs = [entry["epoch"] for entry in curve]
    metric = next(iter(curve[0]["valid"]))
    epoch = Axis("epoch", [*epochs[:-1][:: -(-len(epochs) // 8)], epochs[-1]])
    losses = [entry["train_loss"] for entry in curve]
    values = [entry["valid"][metric] for entry in curve]
    kept = best_epoch(curve)
    return [
        line_chart(
            f"{stage}: training loss",
            [Line("loss", stage, list(zip(epochs, losses, strict=True)))],
            epoch,
            Axis.over("loss", losses),
        ),
        line_chart(
            f"{stage}: validation {metric}, {decimal(values[kept])} at epoch {epochs[kept]}",
            [Line(metric, stage, list(zip(epochs, values, strict=True)))],
            epoch,
            Axis.over(metric, values),
        ),
    ]
