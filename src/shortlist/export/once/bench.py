"""Where rules work: the graph, what is known of its values, and the means to add nodes before the one in hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx_ir as ir

from shortlist.export.once.forms import Columns, Form, Part, PerRequest, Result


class Bench:
    """A graph being rewritten, from its inputs to its outputs. What is added stands before `node`."""

    def __init__(self, graph: ir.Graph, request: ir.Value) -> None:
        """`request` says of each row which request it belongs to."""
        self.graph = graph
        self.request = request
        self.node: ir.Node | None = None
        self._forms: dict[ir.Value, Form] = {}
        self._whole: dict[ir.Value, ir.Value] = {}
        self._says_request = {request}
        self._constants = 0

    def form(self, value: ir.Value | None) -> Form | None:
        """How the value follows from values of requests; None if it is not known to."""
        return None if value is None else self._forms.get(value)

    def learn(self, value: ir.Value, form: Form) -> None:
        """Keep how a value follows from values of requests."""
        self._forms[value] = form

    def says_request(self, value: ir.Value | None) -> bool:
        """Whether the value says which request each row belongs to."""
        return value in self._says_request

    def repeats_request(self, value: ir.Value) -> None:
        """Keep that the value says which request each row belongs to, as the input does."""
        self._says_request.add(value)

    def add(self, op: str, inputs: Sequence[ir.Value | None], attributes: Mapping[str, Any] | None = None) -> ir.Value:
        """The one output of a new node."""
        return self._added(ir.node(op, inputs, attributes))[0]

    def again(self, node: ir.Node, inputs: Sequence[ir.Value | None]) -> list[ir.Value]:
        """The outputs of the same operation on other inputs."""
        copy = ir.Node(node.domain, node.op_type, inputs, node.attributes.values(), num_outputs=len(node.outputs))
        return self._added(copy)

    def _added(self, node: ir.Node) -> list[ir.Value]:
        if self.node is None:
            self.graph.append(node)
        else:
            self.graph.insert_before(self.node, node)
        return list(node.outputs)

    def constant(self, array: npt.NDArray[Any]) -> ir.Value:
        """A new constant."""
        self._constants += 1
        name = f"{self.request.name}_constant_{self._constants}"
        tensor = ir.tensor(np.ascontiguousarray(array), name=name)
        value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)
        self.graph.register_initializer(value)
        return value

    def whole(self, value: ir.Value) -> ir.Value:
        """The M rows of a value that has a form, gathered and put side by side; made once."""
        if value not in self._whole:
            form = self._forms[value]
            made = self.gathered(form.value) if isinstance(form, PerRequest) else self._side_by_side(form)
            made.shape, made.type = value.shape, value.type
            self._whole[value] = made
        return self._whole[value]

    def gathered(self, value: ir.Value) -> ir.Value:
        """M rows of a value of U requests."""
        return self.add("Gather", [value, self.request], {"axis": 0})

    def _side_by_side(self, form: Columns) -> ir.Value:
        parts = []
        for run in form.runs():
            if run[0].per_request:
                parts.append(self.gathered(self.joined(form.axis, run)))
            else:
                parts += [part.value for part in run]
        return self._concatenated(form.axis, parts)

    def joined(self, axis: int, parts: Sequence[Part]) -> ir.Value:
        """Parts of one kind as one value."""
        return self._concatenated(axis, [part.value for part in parts])

    def _concatenated(self, axis: int, values: Sequence[ir.Value]) -> ir.Value:
        return values[0] if len(values) == 1 else self.add("Concat", values, {"axis": axis})

    def of_parts(self, axis: int, parts: Sequence[Part]) -> Result:
        """What parts side by side are: all of one kind, or some of each."""
        if all(part.per_request for part in parts):
            return PerRequest(self.joined(axis, parts))
        if not any(part.per_request for part in parts):
            return self.joined(axis, parts)
        return Columns(axis, tuple(parts))


def array_of(value: ir.Value | None) -> npt.NDArray[Any] | None:
    """The content of a constant; None for what is none."""
    return None if value is None or value.const_value is None else value.const_value.numpy()


def integers(value: ir.Value | None) -> list[int] | None:
    """The content of a constant of whole numbers, flat."""
    array = array_of(value)
    return None if array is None else [int(number) for number in array.ravel()]


def attribute(node: ir.Node, name: str, default: int) -> int:
    """A whole number that a node was given, or else its default."""
    return node.attributes[name].as_int() if name in node.attributes else default


def rank_of(value: ir.Value | None) -> int | None:
    """Number of axes, where it is known."""
    return None if value is None or value.shape is None else len(value.shape)


def sizes_of(value: ir.Value | None) -> list[int | None]:
    """The size of each axis, None where it is free; nothing where the number of axes is not known."""
    if value is None or value.shape is None:
        return []
    return [size if isinstance(size, int) else None for size in value.shape]


def is_shared(value: ir.Value | None, rank: int) -> bool:
    """Whether broadcasting to `rank` axes gives every row the same of it; an input that is left out is."""
    if value is None:
        return True
    own = rank_of(value)
    return own is not None and (own < rank or (own == rank and sizes_of(value)[0] == 1))
