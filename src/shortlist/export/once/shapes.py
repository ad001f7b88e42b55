"""Operations that give the same numbers another shape; the rows stay what they are."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from shortlist.export.once.bench import Bench, attribute, integers, rank_of, sizes_of
from shortlist.export.once.forms import Columns, Form, Part, PerRequest, Result


def shape(bench: Bench, node: ir.Node) -> list[Result] | None:
    """The number of rows is that of `request`; other sizes are those of the value of requests."""
    form = bench.form(node.inputs[0])
    start, end = attribute(node, "start", 0), attribute(node, "end", 1 << 30)
    if (start, end) == (0, 1):
        return [bench.again(node, [bench.request])[0]]
    if isinstance(form, PerRequest) and start >= 1:
        return [bench.again(node, [form.value])[0]]
    return None


def unsqueeze(bench: Bench, node: ir.Node) -> list[Result] | None:
    """New axes of size 1, none before the rows."""
    rank, added = rank_of(node.outputs[0]), integers(node.inputs[1])
    if rank is None or added is None:
        return None
    added = sorted(axis % rank for axis in added)
    if 0 in added:
        return None
    kept = [axis for axis in range(rank) if axis not in added]
    return _moved(bench, node, dict(enumerate(kept)))


def squeeze(bench: Bench, node: ir.Node) -> list[Result] | None:
    """Axes of size 1 left out, not that of the rows."""
    rank, removed = rank_of(node.inputs[0]), integers(node.inputs[1]) if len(node.inputs) > 1 else None
    if rank is None or removed is None:
        return None
    removed = [axis % rank for axis in removed]
    kept = [axis for axis in range(rank) if axis not in removed]
    return None if 0 in removed else _moved(bench, node, {old: new for new, old in enumerate(kept)})


def transpose(bench: Bench, node: ir.Node) -> list[Result] | None:
    """Axes in another order, the rows' first. Columns are not turned apart: a product may ask for both ways of them."""
    form = bench.form(node.inputs[0])
    order = list(node.attributes["perm"].as_ints()) if "perm" in node.attributes else []
    if not order or order[0] != 0 or not isinstance(form, PerRequest):
        return None
    return [PerRequest(bench.again(node, [form.value])[0])]


def _moved(bench: Bench, node: ir.Node, axes: dict[int, int]) -> list[Result] | None:
    """The same operation on each part; `axes` says where an axis goes."""
    form = bench.form(node.inputs[0])
    if isinstance(form, PerRequest):
        return [PerRequest(bench.again(node, [form.value, *node.inputs[1:]])[0])]
    if not isinstance(form, Columns) or form.axis not in axes:
        return None
    parts = [
        Part(bench.again(node, [part.value, *node.inputs[1:]])[0], part.width, part.per_request) for part in form.parts
    ]
    return [Columns(axes[form.axis], tuple(parts))]


def reshape(bench: Bench, node: ir.Node) -> list[Result] | None:
    """Each row's numbers in another shape, of sizes that are known."""
    value, form = node.inputs[0], bench.form(node.inputs[0])
    if value is None or form is None:
        return None
    if rank_of(value) == 1 and integers(node.inputs[1]) == [-1]:
        return [form]
    before, after = _known(sizes_of(value)[1:]), _known(sizes_of(node.outputs[0])[1:])
    # As many numbers a row as before, and at least one: then there are as many rows.
    if before is None or not after or prod(before) != prod(after) or prod(after) == 0:
        return None
    return _reshaped(bench, form, before, after)


def flatten(bench: Bench, node: ir.Node) -> list[Result] | None:
    """All axes but the rows' as one."""
    return reshape(bench, node) if attribute(node, "axis", 1) == 1 else None


def _known(sizes: list[int | None]) -> list[int] | None:
    known = [size for size in sizes if size is not None]
    return known if len(known) == len(sizes) else None


def _reshaped(bench: Bench, form: Form, before: list[int], after: list[int]) -> list[Result] | None:
    if isinstance(form, PerRequest):
        return [PerRequest(_to(bench, form.value, after))]
    # Where every old column is a whole number of new ones, they stay side by side.
    if form.axis != 1 or after[0] % before[0]:
        return None
    ratio = after[0] // before[0]
    parts = [
        Part(_to(bench, part.value, [part.width * ratio, *after[1:]]), part.width * ratio, part.per_request)
        for part in form.parts
    ]
    return [Columns(1, tuple(parts))]


def _to(bench: Bench, value: ir.Value, sizes: list[int]) -> ir.Value:
    return bench.add("Reshape", [value, bench.constant(np.array([-1, *sizes], np.int64))])
