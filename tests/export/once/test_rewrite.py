"""The rewrite as a whole: any graph of the operations that it knows, in any order, answers as before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import onnx_ir as ir
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shortlist.export.once import products
from shortlist.export.ranker import export_ranker
from shortlist.funnel.rank_model import ITEMS, MODEL
from shortlist.models.catalogue import ranking_model
from shortlist.recipe.training import Model
from shortlist.schema import Kind, Side
from shortlist.testing.inputs import random_pairs, ranking_inputs
from tests.export.once.graphs import graph, longs, node, rewritten

Step = Callable[[str, str, str], list[onnx.NodeProto]]
STEPS: dict[str, Step] = {
    "sigmoid": lambda a, b, out: [node("Sigmoid", a, out)],
    "times constants": lambda a, b, out: [node("Mul", f"{a} ten", out)],
    "plus another": lambda a, b, out: [node("Add", f"{a} {b}", out)],
    "a choice": lambda a, b, out: [node("Greater", f"{a} zero", f"{out}_m"), node("Where", f"{out}_m {b} zero", out)],
    "turned about": lambda a, b, out: [node("Gather", f"{a} about", out, axis=1)],
    "parts of two": lambda a, b, out: [
        node("Slice", f"{a} none four axis", f"{out}_a"),
        node("Slice", f"{b} four width axis", f"{out}_b"),
        node("Concat", f"{out}_b {out}_a", out, axis=1),
    ],
    "a product": lambda a, b, out: [node("Gemm", f"{a} square ten", out)],
    "a wide product": lambda a, b, out: [
        node("Concat", f"{a} {b}", f"{out}_c", axis=1),
        node("MatMul", f"{out}_c tall", out),
    ],
    "less a sum": lambda a, b, out: [node("ReduceSum", f"{a} axis", f"{out}_s"), node("Sub", f"{b} {out}_s", out)],
    "softmax": lambda a, b, out: [node("Softmax", a, out, axis=1)],
    "no rule": lambda a, b, out: [node("CumSum", f"{a} one", out)],
    "pairs": lambda a, b, out: [
        node("Reshape", f"{a} fives", f"{out}_r"),
        node("ReduceMax", f"{out}_r axis2", f"{out}_m"),
        node("Mul", f"{out}_r {out}_m", f"{out}_n"),
        node("Reshape", f"{out}_n tens", out),
    ],
    "vectors": lambda a, b, out: [
        node("Unsqueeze", f"{a} axis2", f"{out}_u"),
        node("Mul", f"{out}_u vector", f"{out}_v"),
        node("Transpose", f"{out}_v", f"{out}_t", perm=[0, 2, 1]),
        node("ReduceSum", f"{out}_t axis", out, keepdims=0),
    ],
}
"""What makes a value of ten columns of two others."""
RANDOM = np.random.default_rng(3)
ARRAYS = {
    "about": longs(9, 0, 1, 2, 2, 7, 5, 4, -4, 8),
    "none": longs(0),
    "four": longs(4),
    "width": longs(10),
    "one": np.array(1),
    "square": RANDOM.standard_normal((10, 10)).astype(np.float32) / 4,
    "tall": RANDOM.standard_normal((20, 10)).astype(np.float32) / 4,
    "fives": longs(-1, 5, 2),
    "tens": longs(-1, 10),
    "vector": RANDOM.standard_normal((1, 3)).astype(np.float32),
    "of_request": RANDOM.standard_normal((6, 10)).astype(np.float32) / 4,
}


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 9), st.integers(0, 9)), max_size=7),
    st.sampled_from([1, products.WORTH]),
)
def test_any_graph_answers_as_before(steps: Sequence[tuple[str, int, int]], worth: int) -> None:
    """From columns of both kinds, and from some of the request alone; whatever products are taken apart."""
    nodes, values = [node("MatMul", "x_of_row of_request", "of_request_alone")], ["xy", "of_request_alone"]
    for place, (name, a, b) in enumerate(steps):
        value = f"v{place}"
        nodes += STEPS[name](values[-1 - a % len(values)], values[-1 - b % len(values)], value)
        values.append(value)
    nodes.append(node("Identity", values[-1]))

    with mock.patch.object(products, "WORTH", worth):
        rewritten(graph(nodes, ARRAYS))


def test_the_first_layer_is_computed_once_for_requests_and_once_for_items(tmp_path: Path) -> None:
    """Of Wide & Deep; otherwise what is computed once would silently be computed for every candidate again."""
    torch.manual_seed(0)
    inputs = ranking_inputs()
    model = ranking_model(Model.model_validate({"name": "wide_deep", "embedding_dim": 16, "hidden": [32, 8]}), inputs)
    export_ranker(model, random_pairs(inputs, (1, 2)), tmp_path)

    of_item = [column for columns in (inputs.fields, inputs.bags) for column in columns if column.side == Side.ITEM]
    numbers = [column.side for column in inputs.numbers]
    vectors = len(inputs.fields) + len(inputs.bags) + 1 - len(of_item)
    assert [column.kind for column in of_item] == [Kind.FIELD, Kind.FIELD, Kind.BAG]
    # The request's fields, history and number; the item's fields, bag and numbers.
    assert _first_layers(tmp_path / MODEL, width=32) == [vectors * 16 + numbers.count(Side.USER)]
    assert _first_layers(tmp_path / ITEMS, width=32) == [len(of_item) * 16 + numbers.count(Side.ITEM)]


def _first_layers(path: Path, width: int) -> list[int]:
    """Of the products that were taken apart how many columns they multiply."""
    found = []
    for each in ir.load(path).graph:
        # As the exporter writes them the others have their matrix turned.
        if each.op_type == "Gemm" and "transB" not in each.attributes:
            weight = each.inputs[1]
            assert weight is not None
            assert weight.shape is not None
            columns, outputs = weight.shape.numpy()
            assert outputs == width
            found.append(columns)
    return found


def test_only_columns_of_items_are_read_to_make_their_parts(tmp_path: Path) -> None:
    inputs = ranking_inputs()
    model = ranking_model(Model.model_validate({"name": "deepfm", "embedding_dim": 4, "hidden": [8]}), inputs)
    export_ranker(model, random_pairs(inputs, (1, 2)), tmp_path)
    model_file, items_file = ir.load(tmp_path / MODEL).graph, ir.load(tmp_path / ITEMS).graph

    parts = [value.name for value in items_file.outputs]
    assert {value.name for value in items_file.inputs} <= {
        "ids",
        "numbers",
        "bag.item.genres.values",
        "bag.item.genres.length",
    }
    assert [name for name in (value.name for value in model_file.inputs) if name and name.startswith("item.")] == [
        f"item.{part}" for part in parts
    ]
