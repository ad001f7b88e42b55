"""Products with a matrix: those of columns are a sum, of what the request's columns give and what the others give.

Legend: M rows of the ranker, U requests, W columns, X columns of the product.
"""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import onnx_ir as ir

from shortlist.export.once.bench import Bench, array_of, attribute, is_shared, rank_of
from shortlist.export.once.elementwise import per_request
from shortlist.export.once.forms import Columns, PerRequest, Result

WORTH = 24
"""Fewest columns of the request for which a product is taken apart. Measured at 500 rows for widths of 64, 256 and 400:
gathering what they give, and beginning the sum of the others with it, takes as long as a product of 2, 24 and 24."""


def gemm(bench: Bench, node: ir.Node) -> list[Result] | None:
    """x W + c."""
    weight, bias = node.inputs[1], node.inputs[2] if len(node.inputs) > 2 else None
    formed = bench.form(weight) is not None or bench.form(bias) is not None
    scaled = any(name in node.attributes and node.attributes[name].as_float() != 1.0 for name in ("alpha", "beta"))
    if attribute(node, "transA", 0) or formed or (scaled and not is_shared(bias, 2)):
        return None
    return _product(bench, node, None if scaled else array_of(weight), bool(attribute(node, "transB", 0)), bias)


def matmul(bench: Bench, node: ir.Node) -> list[Result] | None:
    """x W, or a product for each row of what the row has of its request."""
    x, weight = node.inputs
    rank = rank_of(x)
    if rank is not None and rank > 2 and rank_of(node.outputs[0]) == rank:
        return per_request(bench, node, rank)
    if bench.form(weight) is not None or rank != 2 or rank_of(weight) not in (1, 2):
        return None
    return _product(bench, node, array_of(weight) if rank_of(weight) == 2 else None, False, None)


def _product(
    bench: Bench, node: ir.Node, weight: npt.NDArray[Any] | None, transposed: bool, bias: ir.Value | None
) -> list[Result] | None:
    """`weight` is None where the product cannot be taken apart."""
    form = bench.form(node.inputs[0])
    # A rewrite before may have left a row's own numbers to add to.
    own = None if is_shared(bias, 2) else bias
    if isinstance(form, PerRequest):
        product = bench.again(node, [form.value, *([node.inputs[1]] if own is not None else node.inputs[1:])])[0]
        return [PerRequest(product) if own is None else bench.add("Add", [bench.gathered(product), own])]
    if not isinstance(form, Columns) or form.axis != 1 or weight is None:
        return None
    weight_WX = weight.T if transposed else weight
    requests, of_requests = form.of_kind(per_request=True)
    others, of_others = form.of_kind(per_request=False)
    if len(of_requests) < WORTH:
        return None
    requests_UW, others_MW = bench.joined(1, requests), bench.joined(1, others)
    given_UX = _linear(bench, requests_UW, weight_WX[of_requests], bias if own is None else None)
    given_MX = bench.gathered(given_UX)
    begun_MX = given_MX if own is None else bench.add("Add", [given_MX, own])
    return [_linear(bench, others_MW, weight_WX[of_others], begun_MX)]


def _linear(bench: Bench, x: ir.Value, weight_WX: npt.NDArray[Any], bias: ir.Value | None) -> ir.Value:
    weight = bench.constant(weight_WX)
    return bench.add("Gemm", [x, weight] if bias is None else [x, weight, bias])
