"""The ``AlarmRule`` of a composite alarm.

Source: CloudWatch API Reference, PutCompositeAlarm: ALARM(x), OK(x), INSUFFICIENT_DATA(x), TRUE, FALSE, AND, OR, NOT
and parentheses, where x is an alarm's name or ARN, quoted or not. NOT binds tighter than AND, AND tighter than OR.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from localcloud.cloudwatch.errors import RuleError
from localcloud.cloudwatch.grammar import Tokens
from localcloud.cloudwatch.verdict import State

ELEMENTS_MAX = 500  # of one rule
CHILDREN_MAX = 100  # different alarms in one rule

States = Mapping[str, State]
Holds = Callable[[States], bool]

_TOKENS = re.compile(r"(?P<text>\"[^\"]*\")|(?P<sign>[()])|(?P<word>[^\s()\"]+)")


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """``holds`` says whether the rule is true of the states of ``children``, the alarms that it names."""

    text: str
    children: tuple[str, ...]
    holds: Holds


def parse_rule(text: str) -> AlarmRule:
    """Raises RuleError, which quotes the rule and says where it stops being one."""
    return _Parser(text).rule()


def alarm_name(reference: str) -> str:
    """The name of an alarm from its name or its ARN."""
    return reference.split(":alarm:", 1)[1] if reference.startswith("arn:") and ":alarm:" in reference else reference


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = Tokens(text, _TOKENS, RuleError)
        self._children: list[str] = []
        self._elements = 0

    def rule(self) -> AlarmRule:
        holds = self._any()
        if self._tokens.ahead.kind != "end":
            raise self._tokens.wrong("AND or OR is missing")
        children = tuple(dict.fromkeys(self._children))
        if len(children) > CHILDREN_MAX or self._elements > ELEMENTS_MAX:
            raise RuleError(f"{self._text[:80]!r}: at most {CHILDREN_MAX} alarms and {ELEMENTS_MAX} elements")
        return AlarmRule(self._text, children, holds)

    def _any(self) -> Holds:
        parts = [self._all()]
        while self._tokens.take_if("OR"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda states: any(part(states) for part in parts)

    def _all(self) -> Holds:
        parts = [self._not()]
        while self._tokens.take_if("AND"):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else lambda states: all(part(states) for part in parts)

    def _not(self) -> Holds:
        if self._tokens.take_if("NOT"):
            part = self._not()
            return lambda states: not part(states)
        return self._element()

    def _element(self) -> Holds:
        self._elements += 1
        if self._tokens.take_if("("):
            inner = self._any()
            self._tokens.expect(")")
            return inner
        if word := self._tokens.take_if("TRUE", "FALSE"):
            return lambda _: word == "TRUE"
        if word := self._tokens.take_if(*State):
            name, state = self._child(), State(word)
            return lambda states: states[name] is state
        raise self._tokens.wrong("ALARM(…), OK(…), INSUFFICIENT_DATA(…), TRUE, FALSE, NOT or '(' is missing")

    def _child(self) -> str:
        self._tokens.expect("(")
        if self._tokens.ahead.kind not in ("text", "word"):
            raise self._tokens.wrong("the name of an alarm is missing")
        name = alarm_name(self._tokens.take().text.strip('"'))
        self._tokens.expect(")")
        self._children.append(name)
        return name
