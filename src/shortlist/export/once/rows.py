"""Operations over all of a row: sums and other reductions, softmax, normalisation."""

from __future__ import annotations

import onnx_ir as ir

from shortlist.export.once.bench import Bench, attribute, integers, rank_of
from shortlist.export.once.forms import Columns, Part, PerRequest, Result

REDUCTIONS = (
    *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"),
    *("ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp"),
)
NORMALISATIONS = {"Softmax": -1, "LogSoftmax": -1, "LayerNormalization": -1}
"""With the axis from which on they take numbers together, where they are told none."""


def reduction(bench: Bench, node: ir.Node) -> list[Result] | None:
    """Over any axes but the rows'; a sum over the columns is that of the request's plus that of the others."""
    form, rank = bench.form(node.inputs[0]), rank_of(node.inputs[0])
    axes = integers(node.inputs[1]) if len(node.inputs) > 1 else None
    if rank is None or not axes or 0 in (axes := [axis % rank for axis in axes]):
        return None
    if isinstance(form, PerRequest):
        return [PerRequest(bench.again(node, [form.value, node.inputs[1]])[0])]
    if not isinstance(form, Columns):
        return None
    if form.axis in axes:
        return _sum(bench, node, form) if node.op_type == "ReduceSum" else None
    gone = 0 if attribute(node, "keepdims", 1) else sum(axis < form.axis for axis in axes)
    parts = [
        Part(bench.again(node, [part.value, node.inputs[1]])[0], part.width, part.per_request) for part in form.parts
    ]
    return [Columns(form.axis - gone, tuple(parts))]


def _sum(bench: Bench, node: ir.Node, form: Columns) -> list[Result]:
    sums = {}
    for per_request in (True, False):
        joined = bench.joined(form.axis, form.of_kind(per_request)[0])
        sums[per_request] = bench.again(node, [joined, node.inputs[1]])[0]
    return [bench.add("Add", [bench.gathered(sums[True]), sums[False]])]


def normalisation(bench: Bench, node: ir.Node) -> list[Result] | None:
    """Over the last axes of what every row has of its request."""
    form, rank = bench.form(node.inputs[0]), rank_of(node.inputs[0])
    if not isinstance(form, PerRequest) or rank is None or len(node.outputs) > 1:
        return None
    if attribute(node, "axis", NORMALISATIONS[node.op_type]) % rank == 0:
        return None
    # Scale and shift, where there are any, are not of the rows.
    if any(bench.form(value) is not None for value in node.inputs[1:]):
        return None
    return [PerRequest(bench.again(node, [form.value, *node.inputs[1:]])[0])]
