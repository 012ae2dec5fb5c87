"""What a move touches beyond what is judged at once."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from chalicelib.domain.observations import Observation
from chalicelib.ports.alerts import Touched
from chalicelib.services.evaluate import MANY_OF_USER, RULES_PER_MESSAGE, _handed_on

SEEN = Observation("o1", "peg:usd-coin", Decimal("0.97"), datetime(2026, 1, 1, tzinfo=UTC))


def handed_on(**counts: int) -> list[tuple[list[str], str]]:
    rules = {f"{user}{number}": user for user, count in counts.items() for number in range(count)}
    touched = Touched(SEEN, {}, rules)
    return [(message.rules, tenant) for message, tenant in _handed_on(touched, list(rules))]


def test_every_rule_is_handed_on_once() -> None:
    messages = handed_on(crowd=250, ann=3, bob=MANY_OF_USER)
    rules = [rule for part, _ in messages for rule in part]
    assert len(rules) == len(set(rules)) == 250 + 3 + MANY_OF_USER
    assert max(len(part) for part, _ in messages) == RULES_PER_MESSAGE


def test_who_has_many_has_messages_of_their_own() -> None:
    assert [tenant for _, tenant in handed_on(crowd=250)] == ["crowd"] * 3


def test_those_with_few_share_messages_that_are_nobodys() -> None:
    assert [(len(part), tenant) for part, tenant in handed_on(ann=3, bob=4)] == [(7, "")]
