"""Operations that broadcast: what they make of a row depends on that row, and on what all rows share."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from shortlist.export.once.bench import Bench, array_of, is_shared, rank_of, sizes_of
from shortlist.export.once.forms import Columns, Part, PerRequest, Result

ELEMENTWISE = (
    *("Add", "Sub", "Mul", "Div", "Mod", "Pow", "Max", "Min", "Sum", "Mean", "Clip", "Where", "Cast", "Identity"),
    *("Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Xor", "Not", "IsNaN", "IsInf"),
    *("Neg", "Abs", "Sign", "Floor", "Ceil", "Round", "Reciprocal", "Sqrt", "Exp", "Log", "Erf", "Sin", "Cos", "Tanh"),
    *(
        "Relu",
        "LeakyRelu",
        "Elu",
        "Selu",
        "Celu",
        "Gelu",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
        "Softplus",
        "Softsign",
    ),
)


def elementwise(bench: Bench, node: ir.Node) -> list[Result] | None:
    """f(x[request], shared) = f(x, shared)[request]; of columns, part by part."""
    rank = rank_of(node.outputs[0])
    if rank is None:
        return None
    if any(isinstance(bench.form(value), Columns) for value in node.inputs):
        return _by_parts(bench, node, rank)
    return per_request(bench, node, rank)


def per_request(bench: Bench, node: ir.Node, rank: int) -> list[Result] | None:
    """f(x[request], shared) = f(x, shared)[request], where inputs are broadcast to `rank` axes and rows kept apart."""
    inputs = []
    for value in node.inputs:
        form = bench.form(value)
        if not (is_shared(value, rank) if form is None else isinstance(form, PerRequest) and rank_of(value) == rank):
            return None
        inputs.append(form.value if isinstance(form, PerRequest) else value)
    if not any(isinstance(bench.form(value), PerRequest) for value in node.inputs):
        return None
    return [PerRequest(bench.again(node, inputs)[0])]


def _by_parts(bench: Bench, node: ir.Node, rank: int) -> list[Result] | None:
    """Columns of one layout, beside what all rows share."""
    forms = [bench.form(value) for value in node.inputs]
    columns = [form for form in forms if isinstance(form, Columns)]
    shared = [value for value, form in zip(node.inputs, forms, strict=True) if form is None]
    first = columns[0]
    axis_from_end = first.axis - rank
    if (
        any(form is not None and (not isinstance(form, Columns) or form.layout != first.layout) for form in forms)
        or any(rank_of(value) != rank for value, form in zip(node.inputs, forms, strict=True) if form is not None)
        or sizes_of(node.outputs[0])[first.axis] != first.width
        or not all(is_shared(value, rank) and _can_be_cut(value, axis_from_end) for value in shared)
    ):
        return None
    parts = []
    for place, (part, start) in enumerate(zip(first.parts, first.starts, strict=True)):
        inputs = [
            form.parts[place].value
            if isinstance(form, Columns)
            else _cut(bench, value, axis_from_end, slice(start, start + part.width))
            for value, form in zip(node.inputs, forms, strict=True)
        ]
        parts.append(Part(bench.again(node, inputs)[0], part.width, part.per_request))
    return [Columns(first.axis, tuple(parts))]


def _is_uniform(value: ir.Value | None, axis_from_end: int) -> bool:
    """Whether a shared value is the same for all columns."""
    sizes = sizes_of(value)
    return value is None or len(sizes) < -axis_from_end or sizes[axis_from_end] == 1


def _can_be_cut(value: ir.Value | None, axis_from_end: int) -> bool:
    return _is_uniform(value, axis_from_end) or array_of(value) is not None


def _cut(bench: Bench, value: ir.Value | None, axis_from_end: int, columns: slice) -> ir.Value | None:
    """What a shared value has for some of the columns."""
    array = array_of(value)
    if _is_uniform(value, axis_from_end) or array is None:
        return value
    return bench.constant(array.take(np.arange(columns.start, columns.stop), axis=axis_from_end))
