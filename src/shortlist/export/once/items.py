"""What depends on the item alone, as a graph of its own: computed once for a catalogue it serves every request.

The rewrite has moved the gathers of the items' columns towards the output as far as they go. What stands before them is
a function of an item, whoever asks for it; what stands behind takes what the function gives, the item's parts.
"""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from shortlist.funnel.rank_model import PART


def take_items_apart(model: ir.Model, item: str, request: str, prefix: str) -> ir.Model | None:
    """Have the graph take the parts of items, and return the graph that makes them of an item's columns.

    item, request: the inputs that say of each row which item and which request it has.
    prefix: before the names of the item's columns, and of the parts in their place; the graph of items is without it.

    None where no item is read.
    """
    graph = model.graph
    inputs = {value.name: value for value in graph.inputs}
    columns = [value for name, value in inputs.items() if name is not None and name.startswith(prefix)]
    gathers = [node for node in graph if node.op_type == "Gather" and node.inputs[1] is inputs[item]]
    made = list(dict.fromkeys(value for node in gathers if (value := node.inputs[0]) is not None))
    items = _function_of(model, columns, made, prefix) if made else None
    for place, value in enumerate(made):
        part = ir.Value(name=f"{prefix}{PART}{place}", type=value.type, shape=value.shape)
        graph.inputs.append(part)
        for node in gathers:
            if node.inputs[0] is value:
                _replace(graph, node, part)
    # Only how many rows there are is still asked: as many have an item as have a request.
    inputs[item].replace_all_uses_with(inputs[request])
    RemoveUnusedNodesPass()(model)
    for value in (inputs[item], *columns):
        assert not value.uses(), f"{value.name} is read beside the items' parts"
        graph.inputs.remove(value)
    return items


def _function_of(model: ir.Model, columns: list[ir.Value], made: list[ir.Value], prefix: str) -> ir.Model:
    """The graph from an item's columns to these values; ValueError where they depend on anything else."""
    graph = ir.convenience.extract(model.graph, columns, made)
    for value in graph.inputs:
        assert value.name is not None
        value.name = value.name.removeprefix(prefix)
    for place, value in enumerate(graph.outputs):
        # A column may be a part as it is, and two names have to be two values.
        named = ir.node("Identity", [value])
        graph.append(named)
        named.outputs[0].name, named.outputs[0].type = f"{PART}{place}", value.type
        graph.outputs[place] = named.outputs[0]
    return ir.Model(graph, ir_version=model.ir_version, functions=tuple(model.functions.values()))


def _replace(graph: ir.Graph, node: ir.Node, part: ir.Value) -> None:
    """Take the part where the node's output was taken."""
    gathered = node.outputs[0]
    for place, output in enumerate(graph.outputs):
        if output is gathered:
            copy = ir.node("Identity", [part])
            graph.insert_after(node, copy)
            graph.outputs[place] = copy.outputs[0]
            gathered.name, copy.outputs[0].name = None, gathered.name
            copy.outputs[0].type, copy.outputs[0].shape = gathered.type, gathered.shape
    gathered.replace_all_uses_with(part)
