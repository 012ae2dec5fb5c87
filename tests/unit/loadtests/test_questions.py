"""The queries of the load test: they are queries, the same for all who ask, and few are asked most."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime

import msgspec

from chalicelib.protocol.planning import QueryLimits, plan_of
from chalicelib.protocol.query import decode_query
from loadtests.questions import choose, questions

NOW = datetime(2026, 11, 23, 6, 40, 12, tzinfo=UTC)
TOPICS = [f"price:made-up-{number}" for number in range(20)]


def test_each_is_a_query_that_may_be_asked():
    for query in questions(TOPICS, NOW):
        assert plan_of(decode_query(msgspec.json.encode(query)), now=NOW, limits=QueryLimits())


def test_they_are_the_same_for_all_who_ask_within_an_hour():
    assert questions(TOPICS, NOW) == questions(TOPICS, NOW.replace(minute=59))


def test_the_first_is_asked_most():
    chance, asked = random.Random(1), questions(TOPICS, NOW)
    counts = Counter(asked.index(choose(chance, asked)) for _ in range(2000))
    assert counts[0] > 3 * counts[7] > 0
