"""Expressions over columns, as recipes write them: `rating >= 4`, `event == "purchase" and price < 20`.

Parsed by Python's own grammar, restricted to comparisons, arithmetic, `and`, `or`, `not`, `in` and constants. The same
parsed expression is evaluated on engine columns (ibis), numpy arrays and single values: whatever overloads operators.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from shortlist.core.errors import UserError
from shortlist.core.suggest import did_you_mean

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}


class ExpressionError(UserError):
    """An expression that cannot be read, or names a column that is not there."""


@dataclass(frozen=True)
class Expression:
    """One parsed expression."""

    text: str
    tree: ast.expr

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read `text`; an ExpressionError says which part is not allowed."""
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except SyntaxError as error:
            raise ExpressionError(
                f"cannot read the expression {text!r}: {error.msg} at character {error.offset}. "
                'Write for instance: rating >= 4   or   event == "purchase" and price < 20'
            ) from error
        _check(tree, text)
        return cls(text, tree)

    def columns(self) -> tuple[str, ...]:
        """Names of the columns it uses, in their order."""
        names = (node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name))
        return tuple(dict.fromkeys(names))

    def evaluate(self, columns: Mapping[str, Any]) -> Any:
        """Its value over `columns`, which may hold anything that overloads Python's operators."""
        missing = [name for name in self.columns() if name not in columns]
        if missing:
            raise ExpressionError(
                f"the expression {self.text!r} names the column `{missing[0]}`, which is not there."
                + did_you_mean(missing[0], columns)
            )
        return _evaluate(self.tree, columns)


def _check(node: ast.AST, text: str) -> None:
    allowed = (
        ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.BinOp, ast.Compare, ast.In, ast.NotIn,
        ast.Name, ast.Load, ast.Constant, ast.Tuple, ast.List, *_COMPARE, *_ARITHMETIC,
    )  # fmt: skip
    for inner in ast.walk(node):
        if not isinstance(inner, allowed):
            raise ExpressionError(
                f"the expression {text!r} may use comparisons, arithmetic, and, or, not, in; "
                f"found {type(inner).__name__}"
            )
    _check_lists(node, text)


def _check_lists(node: ast.AST, text: str) -> None:
    """A list stands on the right of `in` and nowhere else, and nothing else does: text would be taken by letters."""
    nodes = list(ast.walk(node))
    lists = {id(inner): inner.elts for inner in nodes if isinstance(inner, ast.Tuple | ast.List)}
    compared = [inner for inner in nodes if isinstance(inner, ast.Compare)]
    options = {id(part) for c in compared for op, part in zip(c.ops, c.comparators, strict=True) if _is_member(op)}
    if lists.keys() != options or not all(lists.values()):
        raise ExpressionError(
            f"the expression {text!r}: `in` and nothing else takes a list of one or more values. "
            'Write for instance: event in ("cart", "purchase")'
        )


def _evaluate(node: ast.expr, columns: Mapping[str, Any]) -> Any:
    match node:
        case ast.Name(id=name):
            return columns[name]
        case ast.Constant(value=value):
            return value
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return [_evaluate(part, columns) for part in parts]
        case ast.BoolOp(op=op, values=parts):
            joined = operator.and_ if isinstance(op, ast.And) else operator.or_
            return reduce(joined, (_truth(_evaluate(part, columns)) for part in parts))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _negate(_truth(_evaluate(operand, columns)))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_evaluate(operand, columns)
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op)](_evaluate(left, columns), _evaluate(right, columns))
        case ast.Compare():
            return _compare(node, columns)
    raise AssertionError(f"unchecked node {type(node).__name__}")


def _truth(value: Any) -> Any:
    """A condition as it is, a number as whether it is not 0: Python's operators on columns of integers are bitwise."""
    if isinstance(value, bool):
        return value
    # numpy columns have a dtype, engine columns a type.
    is_boolean = value.dtype == bool if hasattr(value, "dtype") else value.type().is_boolean()
    return value if is_boolean else value != 0


def _negate(value: Any) -> Any:
    return (not value) if isinstance(value, bool) else ~value


def _compare(node: ast.Compare, columns: Mapping[str, Any]) -> Any:
    """A chain `a < b <= c` is the conjunction of its links."""
    links = []
    left = _evaluate(node.left, columns)
    for op, part in zip(node.ops, node.comparators, strict=True):
        right = _evaluate(part, columns)
        links.append(_member(op, left, right) if _is_member(op) else _COMPARE[type(op)](left, right))
        left = right
    return reduce(operator.and_, links)


def _is_member(op: ast.cmpop) -> bool:
    return isinstance(op, ast.In | ast.NotIn)


def _member(op: ast.cmpop, left: Any, options: Any) -> Any:
    """`x in (a, b)` as x == a or x == b, which every kind of column understands."""
    inside = reduce(operator.or_, (left == option for option in options))
    return inside if isinstance(op, ast.In) else _negate(inside)
