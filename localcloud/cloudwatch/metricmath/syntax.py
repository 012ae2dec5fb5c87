"""The grammar of metric math.

Source: CloudWatch User Guide, "Using math expressions with CloudWatch metrics". Loosest first: OR, AND, comparisons,
``+ -``, ``* /``, unary minus, ``^``. The guide does not print the precedence; this is the usual one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from localcloud.cloudwatch.errors import ExpressionError
from localcloud.cloudwatch.grammar import Tokens

_TOKENS = re.compile(
    r"(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<word>[A-Za-z][A-Za-z0-9_]*)"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign>==|!=|<=|>=|&&|\|\||[-+*/^<>()\[\],])"
)
_SAME = {"&&": "AND", "||": "OR"}


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The Id of another query, or a word that a function knows (REPEAT, ASC)."""

    value: str


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negated:
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


Node = Number | Text | Name | Array | Negated | Binary | Call


def parse(expression: str) -> Node:
    """Raises ExpressionError, which quotes the expression and says where it stops being one."""
    parser = _Parser(Tokens(expression, _TOKENS, ExpressionError))
    node = parser.expression()
    if parser.tokens.ahead.kind != "end":
        raise parser.tokens.wrong("an operator is missing")
    return node


class _Parser:
    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens

    def expression(self, level: int = 0) -> Node:
        if level == len(_LEVELS):
            return self._unary()
        node = self.expression(level + 1)
        while operator := self.tokens.take_if(*_LEVELS[level]):
            node = Binary(_SAME.get(operator, operator), node, self.expression(level + 1))
        return node

    def _unary(self) -> Node:
        if self.tokens.take_if("-"):
            return Negated(self._unary())
        base = self._atom()
        return Binary("^", base, self._unary()) if self.tokens.take_if("^") else base

    def _atom(self) -> Node:
        token = self.tokens.ahead
        if self.tokens.take_if("("):
            inner = self.expression()
            self.tokens.expect(")")
            return inner
        if self.tokens.take_if("["):
            return Array(self._list("]"))
        if token.kind not in ("number", "text", "word"):
            raise self.tokens.wrong("a value is missing")
        self.tokens.take()
        if token.kind == "number":
            return Number(float(token.text))
        if token.kind == "text":
            return Text(token.text[1:-1])
        return Call(token.text, self._list(")")) if self.tokens.take_if("(") else Name(token.text)

    def _list(self, closing: str) -> tuple[Node, ...]:
        if self.tokens.take_if(closing):
            return ()
        items = [self.expression()]
        while self.tokens.take_if(","):
            items.append(self.expression())
        self.tokens.expect(closing)
        return tuple(items)


_LEVELS = (("OR", "||"), ("AND", "&&"), ("==", "!=", "<=", ">=", "<", ">"), ("+", "-"), ("*", "/"))
