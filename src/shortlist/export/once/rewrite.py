"""The rewrite: every node in its turn, by the rule of its operation, or with its inputs as they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import onnx_ir as ir
from onnx_ir.passes.common import CommonSubexpressionEliminationPass, RemoveUnusedNodesPass, ShapeInferencePass

from shortlist.export.once.bench import Bench
from shortlist.export.once.elementwise import ELEMENTWISE, elementwise
from shortlist.export.once.forms import Columns, PerRequest, Result
from shortlist.export.once.products import gemm, matmul
from shortlist.export.once.rows import NORMALISATIONS, REDUCTIONS, normalisation, reduction
from shortlist.export.once.selections import concat, gather, slice_, split
from shortlist.export.once.shapes import flatten, reshape, shape, squeeze, transpose, unsqueeze

Rule = Callable[[Bench, ir.Node], Sequence[Result] | None]

RULES: Mapping[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, elementwise),
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(NORMALISATIONS, normalisation),
    "Concat": concat,
    "Flatten": flatten,
    "Gather": gather,
    "Gemm": gemm,
    "MatMul": matmul,
    "Reshape": reshape,
    "Shape": shape,
    "Slice": slice_,
    "Split": split,
    "Squeeze": squeeze,
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
"""What may be known of an operation's output from what is known of its inputs; None where nothing is."""
_STAY = ("Cast", "Identity", "Reshape", "Squeeze")
"""What leaves `request` as it is, being a row of numbers already."""


def compute_once(model: ir.Model, request: str) -> None:
    """Rewrite the graph, whose input `request` says of each row which request it belongs to, in place.

    Its inputs and outputs stay as they are, and so do its answers but for the rounding of sums in another order. An
    operation without a rule gets what it got, and so does one that the rule of its operation cannot answer for.
    """
    graph = model.graph
    bench = Bench(graph, next(value for value in graph.inputs if value.name == request))
    for node in list(graph):
        bench.node = node
        _rewrite(bench, node)
    bench.node = None
    for place, output in enumerate(graph.outputs):
        if bench.form(output) is not None:
            _replace_output(bench, place, bench.whole(output))
    CommonSubexpressionEliminationPass()(model)
    RemoveUnusedNodesPass()(model)
    # What was added has no shapes yet, and another rewrite goes by them.
    ShapeInferencePass()(model)


def _rewrite(bench: Bench, node: ir.Node) -> None:
    if _is_request(bench, node):
        bench.repeats_request(node.outputs[0])
        return
    if not any(bench.form(value) is not None or bench.says_request(value) for value in node.inputs):
        return
    rule = RULES.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    results = rule(bench, node) if rule is not None else None
    if results is None:
        for place, value in enumerate(node.inputs):
            if value is not None and bench.form(value) is not None:
                node.replace_input_with(place, bench.whole(value))
        return
    for output, result in zip(node.outputs, results, strict=True):
        if isinstance(result, PerRequest | Columns):
            bench.learn(output, result)
        else:
            _replace(bench, output, result)


def _is_request(bench: Bench, node: ir.Node) -> bool:
    """Whether the node hands `request` on; what would narrow a number or change its shape does not."""
    value = node.inputs[0] if node.inputs else None
    if node.op_type not in _STAY or not bench.says_request(value):
        return False
    output = node.outputs[0]
    whole = output.dtype in (ir.DataType.INT32, ir.DataType.INT64)
    return whole and output.shape is not None and len(output.shape) == 1


def _replace(bench: Bench, old: ir.Value, new: ir.Value) -> None:
    new.shape, new.type = old.shape, old.type
    for place, output in enumerate(bench.graph.outputs):
        if output is old:
            _replace_output(bench, place, new)
    old.replace_all_uses_with(new)


def _replace_output(bench: Bench, place: int, new: ir.Value) -> None:
    old = bench.graph.outputs[place]
    old.name, new.name = None, old.name
    bench.graph.outputs[place] = new
