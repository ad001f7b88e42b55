"""Each rule on a graph of its own: the answers stay, and rows are gathered where it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from tests.export.once.graphs import graph, longs, node, operations, rewritten

PER_REQUEST = {
    "a function": ([node("Relu", "x_of_row")], ["Relu"]),
    "broadcasting": ([node("Add", "x_of_row column")], ["Add"]),
    "two of the request": ([node("Exp", "x_of_row", "e"), node("Mul", "e x_of_row")], ["Exp", "Mul"]),
    "a comparison": ([node("Equal", "i_of_row i_of_row", "e"), node("Not", "e")], ["Equal", "Not"]),
    "a table": ([node("Gather", "table i_of_row")], ["Gather"]),
    "columns": ([node("Gather", "x_of_row axis", axis=1)], ["Gather"]),
    "a softmax": ([node("Softmax", "x_of_row", axis=1)], ["Softmax"]),
    "a mean": ([node("ReduceMean", "x_of_row axis", keepdims=0)], ["ReduceMean"]),
    "an axis": ([node("Unsqueeze", "x_of_row axis", "u"), node("Exp", "u")], ["Unsqueeze", "Exp"]),
    "a turn": (
        [node("Unsqueeze", "x_of_row axis", "u"), node("Transpose", "u", perm=[0, 2, 1])],
        ["Unsqueeze", "Transpose"],
    ),
    "side by side": ([node("Concat", "x_of_row x_of_row", axis=1)], ["Concat"]),
    "all that a product needs": (
        [node("Concat", "x_of_row x_of_row", "c", axis=1), node("Gemm", "c twelve bias")],
        ["Concat", "Gemm"],
    ),
    "halves": ([node("Split", "x_of_row", "a b", axis=1, num_outputs=2), node("Mul", "a b")], ["Split", "Mul"]),
}


@pytest.mark.parametrize("name", PER_REQUEST)
def test_what_is_of_the_request_alone_is_computed_before_it_is_gathered(name: str) -> None:
    nodes, expected = PER_REQUEST[name]
    twelve = np.random.default_rng(1).standard_normal((12, 3)).astype(np.float32)

    assert operations(rewritten(graph(nodes, {"twelve": twelve}))) == [*expected, "request"]


def test_a_shape_of_the_request_needs_no_rows() -> None:
    """The hotness of a request's bag is that of every row."""
    nodes = [
        node("Shape", "x_of_row", "s", start=1, end=2),
        node("Cast", "s", to=onnx.TensorProto.FLOAT),
    ]
    assert operations(rewritten(graph(nodes))) == ["Shape", "Cast"]


def test_the_number_of_rows_is_that_of_the_input() -> None:
    after = rewritten(graph([node("Exp", "xy", "e"), node("Shape", "e", start=0, end=1)]))

    assert operations(after) == ["Shape"]
    assert [value.name for value in after.graph.node(0).inputs if value is not None] == ["request"]


def gemm(after: ir.Model) -> list[tuple[str, int]]:
    """By product: what begins its sum, and how many columns it multiplies."""
    found = []
    for each in after.graph:
        if each.op_type == "Gemm":
            weight, bias = each.inputs[1], each.inputs[2] if len(each.inputs) > 2 else None
            assert weight is not None
            assert weight.shape is not None
            origin = None if bias is None else bias.producer()
            found.append(("constant" if origin is None else origin.op_type, weight.shape.numpy()[0]))
    return found


@pytest.mark.parametrize(
    "product",
    [
        node("Gemm", "cc both bias"),
        node("Gemm", "cc both"),
        node("Gemm", "cc both_turned bias", transB=1),
        node("MatMul", "cc both"),
    ],
)
def test_a_product_is_that_of_the_requests_columns_plus_that_of_the_others(product: onnx.NodeProto) -> None:
    """24 columns of the request stand in four places, and 16 of the row between them."""
    both = np.random.default_rng(2).standard_normal((40, 3)).astype(np.float32)
    nodes = [node("Concat", "xy xy xy xy", "cc", axis=1), product]
    after = rewritten(graph(nodes, {"both": both, "both_turned": both.T.copy()}))

    assert gemm(after) == [("constant", 24), ("Gather", 16)]
    assert operations(after).count("request") == 1
    # The matrix is there in parts, and not once more as a whole.
    shapes = [tuple(value.shape or ()) for value in after.graph.initializers.values() if value.name != "bias"]
    assert sorted(shapes) == [(16, 3), (24, 3)]


def test_a_product_of_few_of_the_requests_columns_stays_one() -> None:
    """Six columns are multiplied sooner than a sum is gathered and begun with."""
    assert operations(rewritten(graph([node("Gemm", "xy weight bias")]))) == ["request", "Concat", "Gemm"]


@pytest.mark.parametrize("unlike", [{"alpha": 2.0}, {"beta": 0.5}])
def test_a_scaled_product_stays_one(unlike: dict[str, Any]) -> None:
    both = np.random.default_rng(2).standard_normal((40, 3)).astype(np.float32)
    nodes = [node("Concat", "xy xy xy xy", "cc", axis=1), node("Gemm", "cc both bias", **unlike)]

    assert "Concat" in operations(rewritten(graph(nodes, {"both": both})))


BY_COLUMNS = {
    "a function": [node("Exp", "xy", "v"), node("ReduceSum", "v axis")],
    "a constant for every column": [node("Mul", "xy ten", "v"), node("ReduceSum", "v axis")],
    "a number": [node("Mul", "xy column", "v"), node("ReduceSum", "v axis")],
    "squares": [node("Mul", "xy xy", "v"), node("ReduceSum", "v axis")],
    "a choice": [node("Greater", "xy zero", "m"), node("Where", "m xy zero", "v"), node("ReduceSum", "v axis")],
    "shifted look-ups": [
        node("Add", "ij shifts", "k"),
        node("Gather", "table k", "t"),
        node("Reshape", "t flat", "v", allowzero=1),
        node("ReduceSum", "v axis"),
    ],
    "sums of vectors": [node("Gather", "table ij", "t"), node("ReduceSum", "t axis", keepdims=0)],
    "part of each vector": [
        node("Gather", "table ij", "t"),
        node("Slice", "t one three axis2", "s"),
        node("ReduceSum", "s axis2", "v", keepdims=0),
        node("ReduceSum", "v axis"),
    ],
    "some columns": [node("Gather", "xy some", "v", axis=1), node("ReduceSum", "v axis")],
    "columns from one to another": [node("Slice", "xy one eight axis", "v"), node("ReduceSum", "v axis")],
    "narrower vectors": [
        node("Reshape", "xy to_three", "r", allowzero=1),
        node("ReduceSum", "r axis", keepdims=0),
    ],
}
ARRAYS = {"one": longs(1), "three": longs(3), "eight": longs(8), "some": longs(9, 0, 1, -4, 7, 3)}


@pytest.mark.parametrize("name", BY_COLUMNS)
def test_columns_are_worked_on_apart(name: str) -> None:
    """Until a sum over them: that of the request's is gathered, and added to that of the others."""
    after = rewritten(graph(BY_COLUMNS[name], ARRAYS))
    found = operations(after)

    if name == "narrower vectors":
        # Two numbers from each column of one: the shape does not keep columns whole.
        assert found == ["request", "Concat", "Reshape", "ReduceSum"]
    else:
        assert found.count("request") == 1
        assert found.index("request") > found.index("ReduceSum")


@pytest.mark.parametrize(
    ("column", "expected"),
    [(2, ["Gather", "Squeeze", "request"]), (8, ["Gather", "Squeeze"])],
)
def test_one_column_is_the_requests_or_the_rows(column: int, expected: list[str]) -> None:
    nodes = [node("Gather", "xy column_number", axis=1)]
    assert operations(rewritten(graph(nodes, {"column_number": np.array(column)}))) == expected


UNKNOWN = {
    "an operation without a rule": [node("CumSum", "x_of_row one")],
    "one of columns": [node("CumSum", "xy one")],
    "rows of another number": [node("Transpose", "x_of_row", perm=[1, 0])],
    "a sum over rows": [node("ReduceSum", "x_of_row none")],
    "a product the other way round": [node("Transpose", "y", "t", perm=[1, 0]), node("MatMul", "t x_of_row")],
    "the request itself": [node("Add", "request request")],
    "a value of the row": [node("ReduceSum", "y axis", "s"), node("Mul", "x_of_row s")],
    "columns and the row": [node("ReduceSum", "y axis", "s"), node("Mul", "xy s")],
    "columns turned": [node("Gather", "table ij", "t"), node("Transpose", "t", perm=[0, 2, 1])],
    "a softmax of columns": [node("Softmax", "xy", axis=1)],
    "a softmax of rows": [node("Softmax", "x_of_row", axis=0)],
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_has_no_rule_gets_what_it_got(name: str) -> None:
    nodes = UNKNOWN[name]
    after = rewritten(graph(nodes, {"one": np.array(1), "none": longs(0)}))

    assert operations(after)[-1] == nodes[-1].op_type


def test_an_output_may_be_of_the_request() -> None:
    after = rewritten(graph([node("Identity", "xy")]))

    assert [output.name for output in after.graph.outputs] == ["out"]
    assert operations(after)[-1] == "Concat"


def test_what_reads_the_numbers_of_requests_is_left_alone() -> None:
    """No input is of a request, though all are shared when they are broadcast to two axes."""
    nodes = [node("Cast", "request", "r", to=onnx.TensorProto.INT64), node("Add", "r one")]

    assert "Add" in operations(rewritten(graph(nodes, {"one": longs(1)[None]})))


def test_what_has_no_columns_is_left_out() -> None:
    nodes = [
        node("Gather", "j nothing", "none", axis=1),
        node("Concat", "i_of_row none", "c", axis=1),
        node("Gather", "table c", "looked_up"),
        node("Reshape", "looked_up flat"),
    ]
    table = np.random.default_rng(2).standard_normal((10, 4)).astype(np.float32)
    constants: dict[str, np.ndarray] = {
        "nothing": np.zeros(0, np.int64),
        "table": table,
        "flat": longs(-1, 12),
    }

    assert operations(rewritten(graph(nodes, constants)))[-1] == "request"
