"""Small graphs to rewrite: requests with six numbers and three ids, rows with four numbers and two ids of their own.

Legend: U requests, M rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx_ir as ir
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from shortlist.export.once.rewrite import compute_once

Array = npt.NDArray[Any]


def floats(*numbers: float) -> Array:
    """A row of them."""
    return np.array(numbers, np.float32)


def longs(*numbers: int) -> Array:
    """A row of them."""
    return np.array(numbers, np.int64)


RANDOM = np.random.default_rng(0)
CONSTANTS: dict[str, Array] = {
    "weight": RANDOM.standard_normal((10, 3)).astype(np.float32),
    "turned": RANDOM.standard_normal((3, 10)).astype(np.float32),
    "bias": RANDOM.standard_normal(3).astype(np.float32),
    "ten": RANDOM.standard_normal(10).astype(np.float32),
    "column": floats(0.5)[None],
    "zero": floats(0),
    "table": RANDOM.standard_normal((20, 4)).astype(np.float32),
    "shifts": np.array([0, 1, 0, 2, 3], np.int32),
    "axis": longs(1),
    "axis2": longs(2),
    "flat": longs(-1, 20),
    "to_three": longs(-1, 5, 2),
}
BEGIN = (
    helper.make_node("Gather", ["x", "request"], ["x_of_row"], axis=0),
    helper.make_node("Gather", ["i", "request"], ["i_of_row"], axis=0),
    helper.make_node("Concat", ["x_of_row", "y"], ["xy"], axis=1),
    helper.make_node("Concat", ["i_of_row", "j"], ["ij"], axis=1),
)
"""What the values of a row are made of: `xy` has 10 columns, `ij` 5."""
INPUTS: Mapping[str, tuple[int, list[str | int]]] = {
    "x": (TensorProto.FLOAT, ["requests", 6]),
    "i": (TensorProto.INT32, ["requests", 3]),
    "y": (TensorProto.FLOAT, ["rows", 4]),
    "j": (TensorProto.INT32, ["rows", 2]),
    "request": (TensorProto.INT32, ["rows"]),
}


def node(op: str, inputs: str, output: str = "out", **attributes: Any) -> onnx.NodeProto:
    """A node by its inputs' names."""
    return helper.make_node(op, inputs.split(), output.split(), **attributes)


def graph(nodes: Sequence[onnx.NodeProto], constants: Mapping[str, Array] | None = None) -> onnx.ModelProto:
    """The graph of `nodes` over the values of a row, whose output is called `out`."""
    arrays = {**CONSTANTS, **(constants or {})}
    used = {name for each in nodes for name in each.input}
    made = helper.make_graph(
        [*BEGIN, *nodes],
        "toy",
        [helper.make_tensor_value_info(name, kind, sizes) for name, (kind, sizes) in INPUTS.items()],
        [helper.make_empty_tensor_value_info("out")],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items() if name in used],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def rewritten(model: onnx.ModelProto) -> ir.Model:
    """The same graph with what depends on the request alone computed once; its answers are checked."""
    after = ir.serde.deserialize_model(model)
    compute_once(after, "request")
    for items in ((2, 0, 3), (4,), (1, 1, 1), ()):
        asked = feeds(items)
        expected, found = answer(model, asked), answer(ir.serde.serialize_model(after), asked)
        assert expected.dtype == found.dtype
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    return after


def feeds(items: Sequence[int]) -> dict[str, Array]:
    """As many requests as there are counts of rows in `items`."""
    requests, rows = len(items), sum(items)
    random = np.random.default_rng(requests)
    return {
        "x": random.standard_normal((requests, 6)).astype(np.float32),
        "i": random.integers(0, 10, (requests, 3)).astype(np.int32),
        "y": random.standard_normal((rows, 4)).astype(np.float32),
        "j": random.integers(0, 10, (rows, 2)).astype(np.int32),
        "request": np.repeat(np.arange(requests, dtype=np.int32), items),
    }


def answer(model: onnx.ModelProto, asked: Mapping[str, Array]) -> Array:
    """What ONNX Runtime makes of it."""
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    found: Array = session.run(None, dict(asked))[0]
    return found


def operations(model: ir.Model) -> list[str]:
    """The operations in their order; a gather by request is called `request`."""
    return ["request" if _is_by_request(each) else each.op_type for each in model.graph]


def _is_by_request(each: ir.Node) -> bool:
    return each.op_type == "Gather" and each.inputs[1] is not None and each.inputs[1].name == "request"
