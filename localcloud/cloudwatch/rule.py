"""The ``AlarmRule`` of a composite alarm.

Source: CloudWatch API Reference, PutCompositeAlarm, and User Guide, "Rule expressions": ALARM(x), OK(x),
INSUFFICIENT_DATA(x), AT_LEAST(M, state, (x, y, …)), TRUE, FALSE, AND, OR, NOT and parentheses, where x is an alarm's
name or ARN. Only between quotes may it hold white space, parentheses, commas, or a quote written ``\\"``. NOT binds
tighter than AND, AND tighter than OR.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from localcloud.cloudwatch.errors import RuleError
from localcloud.cloudwatch.grammar import Tokens
from localcloud.cloudwatch.verdict import State

ELEMENTS_MAX = 500  # of one rule
CHILDREN_MAX = 100  # different alarms in one rule
LENGTH_MAX = 10_240  # characters

States = Mapping[str, State]
Holds = Callable[[States], bool]

_TOKENS = re.compile(r"(?P<text>\"(?:[^\"\\]|\\.)*\")|(?P<sign>[(),])|(?P<word>[^\s(),\"]+)")
_ESCAPED = re.compile(r"\\(.)")
_LEAST = re.compile(r"\"?(\d+)(%?)\"?\Z")


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
        if len(children) > CHILDREN_MAX or self._elements > ELEMENTS_MAX or len(self._text) > LENGTH_MAX:
            most = f"{CHILDREN_MAX} alarms, {ELEMENTS_MAX} elements and {LENGTH_MAX} characters"
            raise RuleError(f"{self._text[:80]!r}: at most {most}")
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
        if self._tokens.take_if("AT_LEAST"):
            return self._at_least()
        if word := self._tokens.take_if(*State):
            self._tokens.expect("(")
            name, state = self._child(), State(word)
            self._tokens.expect(")")
            return lambda states: states[name] is state
        raise self._tokens.wrong(
            "ALARM(…), OK(…), INSUFFICIENT_DATA(…), AT_LEAST(…), TRUE, FALSE, NOT or '(' is missing"
        )

    def _at_least(self) -> Holds:
        self._tokens.expect("(")
        least = _LEAST.match(self._tokens.ahead.text)
        if least is None or int(least[1]) < 1:
            raise self._tokens.wrong("a number of alarms, or a percentage of them, is missing")
        self._tokens.take()
        self._tokens.expect(",")
        wanted = self._tokens.take_if("NOT") is None
        word = self._tokens.take_if(*State)
        if word is None:
            raise self._tokens.wrong("ALARM, OK, INSUFFICIENT_DATA or NOT with one of them is missing")
        self._tokens.expect(",")
        names, state = list(self._children_listed()), State(word)
        # Of 3 alarms 50 % are 1.5, so at least 2 of them.
        needed = int(least[1]) * len(names) if least[2] else int(least[1]) * 100
        if needed > 100 * len(names):
            raise self._tokens.wrong(f"{least[1]}{least[2]} of {len(names)} alarms can never be")
        return lambda states: 100 * sum((states[name] is state) is wanted for name in names) >= needed

    def _children_listed(self) -> Iterator[str]:
        self._tokens.expect("(")
        yield self._child()
        while self._tokens.take_if(","):
            self._elements += 1
            yield self._child()
        self._tokens.expect(")")
        self._tokens.expect(")")

    def _child(self) -> str:
        token = self._tokens.ahead
        if token.kind not in ("text", "word"):
            raise self._tokens.wrong("the name of an alarm is missing")
        self._tokens.take()
        name = alarm_name(_ESCAPED.sub(r"\1", token.text[1:-1]) if token.kind == "text" else token.text)
        self._children.append(name)
        return name
