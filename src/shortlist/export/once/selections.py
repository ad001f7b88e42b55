"""Operations that look rows up in a table, pick columns, or put them side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from shortlist.export.once.bench import Bench, attribute, integers, rank_of, sizes_of
from shortlist.export.once.forms import Columns, Form, Part, PerRequest, Result


def gather(bench: Bench, node: ir.Node) -> list[Result] | None:
    """Rows of a table by the numbers in a value, or columns of a value."""
    data, indices = node.inputs
    rank = rank_of(data)
    if rank is None:
        return None
    axis = attribute(node, "axis", 0) % rank
    if bench.form(data) is None:
        return _looked_up(bench, node, axis)
    if axis == 0 or bench.form(indices) is not None or bench.says_request(indices):
        return None
    return _picked(bench, node, axis)


def _looked_up(bench: Bench, node: ir.Node, axis: int) -> list[Result] | None:
    """table[i[request]] = table[i][request], and the request's own rows are where all begins."""
    data, indices = node.inputs
    form = bench.form(indices)
    if axis != 0 or data is None:
        return None
    if bench.says_request(indices):
        return [PerRequest(data)]
    if isinstance(form, PerRequest):
        return [PerRequest(bench.again(node, [data, form.value])[0])]
    if not isinstance(form, Columns):
        return None
    parts = [Part(bench.again(node, [data, part.value])[0], part.width, part.per_request) for part in form.parts]
    return [Columns(form.axis, tuple(parts))]


def _picked(bench: Bench, node: ir.Node, axis: int) -> list[Result] | None:
    form, indices = bench.form(node.inputs[0]), node.inputs[1]
    of_indices = rank_of(indices)
    if of_indices is None:
        return None
    if isinstance(form, Columns) and form.axis == axis:
        columns = integers(indices)
        if not columns or of_indices > 1:
            return None
        found = _selection(bench, form, [column % form.width for column in columns])
        return [found] if of_indices == 1 else _without_axis(bench, axis, found)
    after = form.axis + (of_indices - 1 if axis < form.axis else 0) if isinstance(form, Columns) else 0
    return _each(bench, node, form, after)


def _each(bench: Bench, node: ir.Node, form: Form | None, axis: int) -> list[Result] | None:
    """The same operation on every part; the parts then stand along `axis`."""
    if isinstance(form, PerRequest):
        return [PerRequest(value) for value in bench.again(node, [form.value, *node.inputs[1:]])]
    if not isinstance(form, Columns):
        return None
    outputs = [bench.again(node, [part.value, *node.inputs[1:]]) for part in form.parts]
    return [
        Columns(
            axis,
            tuple(Part(value, part.width, part.per_request) for value, part in zip(values, form.parts, strict=True)),
        )
        for values in zip(*outputs, strict=True)
    ]


def _selection(bench: Bench, form: Columns, columns: Sequence[int]) -> Result:
    """Some of the columns, in the order given."""
    parts = []
    for part, places in form.selected(columns):
        value = part.value
        if places != list(range(part.width)):
            value = bench.add("Gather", [value, bench.constant(np.array(places, np.int64))], {"axis": form.axis})
        parts.append(Part(value, len(places), part.per_request))
    return bench.of_parts(form.axis, parts)


def _without_axis(bench: Bench, axis: int, found: Result) -> list[Result] | None:
    """A single column, without the axis along which it stood."""
    axes = bench.constant(np.array([axis], np.int64))
    if isinstance(found, PerRequest):
        return [PerRequest(bench.add("Squeeze", [found.value, axes]))]
    return [bench.add("Squeeze", [found, axes])] if isinstance(found, ir.Value) else None


def slice_(bench: Bench, node: ir.Node) -> list[Result] | None:
    """Columns from one to another."""
    form, rank = bench.form(node.inputs[0]), rank_of(node.inputs[0])
    axes = integers(node.inputs[3]) if len(node.inputs) > 3 else None
    if rank is None or axes is None or 0 in (axes := [axis % rank for axis in axes]):
        return None
    if not isinstance(form, Columns) or form.axis not in axes:
        return _each(bench, node, form, form.axis if isinstance(form, Columns) else 0)
    starts, ends = integers(node.inputs[1]), integers(node.inputs[2])
    steps = integers(node.inputs[4]) if len(node.inputs) > 4 else [1]
    if len(axes) != 1 or starts is None or ends is None or steps is None:
        return None
    # ONNX clamps what lies outside, as Python does.
    columns = range(form.width)[slice(starts[0], ends[0], steps[0])] if steps[0] > 0 else ()
    return [_selection(bench, form, columns)] if columns else None


def split(bench: Bench, node: ir.Node) -> list[Result] | None:
    """Columns in several lots."""
    form, rank = bench.form(node.inputs[0]), rank_of(node.inputs[0])
    if rank is None or (axis := attribute(node, "axis", 0) % rank) == 0:
        return None
    if not isinstance(form, Columns) or form.axis != axis:
        return _each(bench, node, form, form.axis if isinstance(form, Columns) else 0)
    widths = [sizes_of(output)[axis] if rank_of(output) else None for output in node.outputs]
    known = [width for width in widths if width]
    if len(known) != len(widths) or sum(known) != form.width:
        return None
    ends = np.cumsum(known).tolist()
    return [_selection(bench, form, range(end - width, end)) for width, end in zip(known, ends, strict=True)]


def concat(bench: Bench, node: ir.Node) -> list[Result] | None:
    """Columns of several values."""
    rank = rank_of(node.outputs[0])
    if rank is None or (axis := attribute(node, "axis", 0) % rank) == 0:
        return None
    forms = [bench.form(value) for value in node.inputs]
    if all(isinstance(form, PerRequest) for form in forms):
        values = [form.value for form in forms if isinstance(form, PerRequest)]
        return [PerRequest(bench.again(node, values)[0])]
    parts: list[Part] = []
    for value, form in zip(node.inputs, forms, strict=True):
        width = sizes_of(value)[axis] if rank_of(value) else None
        if value is None or width is None:
            return None
        if isinstance(form, Columns) and form.axis == axis:
            parts += form.parts
        elif isinstance(form, PerRequest):
            parts.append(Part(form.value, width, True))
        else:
            parts.append(Part(value if form is None else bench.whole(value), width, False))
    # Where there is anything at all, what has no columns adds nothing, and cannot be told another shape.
    return [bench.of_parts(axis, [part for part in parts if part.width] or parts)]
