"""Reading filters: recursive descent, a function for each level of the grammar.

any       = all { "or" all }
all       = one { "and" one }
one       = "not" one | "(" any ")" | condition
condition = column [ sign value | "in" "(" value { "," value } ")" | "has" value | "is" [ "not" ] "missing" ]
sign      = "=" | "!=" | "<" | "<=" | ">" | ">="
"""

from __future__ import annotations

from shortlist.core.errors import RequestError
from shortlist.funnel.filters.syntax import (
    Among,
    And,
    Compare,
    Has,
    IsMissing,
    IsTrue,
    Literal,
    Name,
    Not,
    Or,
    Predicate,
    refused,
)
from shortlist.funnel.filters.tokens import Token, tokens

MOST_CHARACTERS = 2000
"""Longest filter."""
MOST_DEPTH = 32
"""Most parentheses and negations within one another."""
_SIGNS = frozenset({"=", "!=", "<", "<=", ">", ">="})


def parse(text: str) -> Predicate:
    """The predicate that `text` says; RequestError points at what is wrong."""
    if len(text) > MOST_CHARACTERS:
        expected = f"at most {MOST_CHARACTERS:,} characters"
        raise RequestError(f"filter: expected {expected}, found {len(text):,}", "filter", text, expected)
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._place = 0
        self._depth = 0

    def whole(self) -> Predicate:
        found = self._any()
        if self._next.kind != "end":
            raise self._expected("`and`, `or` or the end")
        return found

    @property
    def _next(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        self._place += 1
        return self._tokens[self._place - 1]

    def _taken(self, *texts: str) -> bool:
        """Whether a keyword or sign of these came next; then it is passed."""
        is_there = self._next.kind in ("keyword", "sign") and self._next.text in texts
        self._place += is_there
        return is_there

    def _any(self) -> Predicate:
        parts = [self._all()]
        while self._taken("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all(self) -> Predicate:
        parts = [self._one()]
        while self._taken("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _one(self) -> Predicate:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise refused(self._text, self._next.at, f"expected at most {MOST_DEPTH} levels of parentheses and `not`")
        found = self._within()
        self._depth -= 1
        return found

    def _within(self) -> Predicate:
        if self._taken("not"):
            return Not(self._one())
        if self._taken("("):
            found = self._any()
            self._close()
            return found
        return self._condition()

    def _condition(self) -> Predicate:
        if self._next.kind != "name":
            raise self._expected("a column, `not` or `(`")
        token = self._take()
        column = Name(token.text, token.at)
        if self._next.kind == "sign" and self._next.text in _SIGNS:
            return Compare(column, self._take().text, self._literal())
        if self._taken("in"):
            return Among(column, self._list())
        if self._taken("has"):
            return Has(column, self._literal())
        return self._missing(column) if self._taken("is") else IsTrue(column)

    def _missing(self, column: Name) -> Predicate:
        is_negated = self._taken("not")
        if not self._taken("missing"):
            raise self._expected("`missing`" if is_negated else "`missing` or `not missing`")
        return Not(IsMissing(column)) if is_negated else IsMissing(column)

    def _list(self) -> tuple[Literal, ...]:
        if not self._taken("("):
            raise self._expected('a list in parentheses, such as ("tea", "coffee")')
        found = [self._literal()]
        while self._taken(","):
            found.append(self._literal())
        self._close()
        return tuple(found)

    def _close(self) -> None:
        if not self._taken(")"):
            raise self._expected("`)`")

    def _literal(self) -> Literal:
        token = self._next
        if token.kind == "text":
            self._take()
            return Literal(token.text, token.at)
        if token.kind == "number":
            self._take()
            return Literal(_number(token.text), token.at)
        if self._taken("true", "false"):
            return Literal(token.text == "true", token.at)
        quoted = f'. Is it text? Write "{token.text}"' if token.kind == "name" else ""
        raise self._expected("a number, a text in quotes, true or false", quoted)

    def _expected(self, what: str, hint: str = "") -> RequestError:
        return refused(self._text, self._next.at, f"expected {what}, found {self._next}{hint}.")


def _number(text: str) -> int | float:
    """An integer where 64 bits hold it."""
    value = float(text)
    return int(text) if text.lstrip("-").isdigit() and abs(value) < 2**63 else value
