"""ports.Results and DataVersions."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.results import RedisDataVersions, RedisResults
from chalicelib.ports import Found, Kept
from tests.contract.stores import start_of_now
from tests.fake_results import FakeAnswers
from tests.functions_user import as_functions_user

LIMITS = {"fresh_ms": 1000, "life_ms": 60_000, "stale_ms": 3600_000, "answer_bytes": 10_000, "budget_bytes": 50_000}
LIMITS |= {"of_party": 2, "of_all": 3, "of_nobody": 2}
ETH, AAVE = "price:ethereum", "tvl:protocol:aave"


class Answers:
    """Both ports of one store, and a clock."""

    def __init__(self, clock: Any, results: Any, versions: Any) -> None:
        self.clock, self.results, self.versions = clock, results, versions

    def find(self, key: str = "q", *scopes: str, owner: str = "o", party: str = "p", **more: bool) -> Found:
        found: Found = self.results.find(key, scopes or (ETH,), owner=owner, party=party, lease_ms=5000, **more)
        return found

    def keep(self, key: str = "q", body: str = "{}", *scopes: str, owner: str = "o", party: str = "p") -> bool:
        """As whoever is told to make it."""
        found = self.find(key, *scopes, owner=owner, party=party)
        made_ms = int(self.clock().timestamp() * 1000)
        kept: bool = self.results.keep(key, body, owner=owner, version=found.version, made_ms=made_ms)
        return kept


@pytest.fixture(params=["fake", "redis"])
def answers(request: pytest.FixtureRequest) -> Answers:
    clock = start_of_now()
    if request.param == "fake":
        fake = FakeAnswers(clock, **LIMITS)
        return Answers(clock, fake, fake)
    store = Redis(as_functions_user(request.getfixturevalue("redis_url")))
    return Answers(clock, RedisResults(store, now=clock, **LIMITS), RedisDataVersions(store))


def test_who_asks_first_is_to_make_it_and_others_wait(answers):
    assert answers.find(owner="a").state == "make"
    assert answers.find(owner="b").state == "wait"
    assert answers.find("another", owner="b").state == "make"


def test_what_was_kept_is_given_to_all(answers):
    assert answers.keep(body='{"rows":["\u00e9"]}', owner="a")
    made_ms = int(answers.clock().timestamp() * 1000)
    assert answers.find(owner="b").kept == Kept('{"rows":["\u00e9"]}', made_ms)


def test_data_that_arrives_ends_what_was_made_before_it(answers):
    answers.keep("q", "{}", ETH)
    answers.versions.arrived([ETH])
    answers.clock.forward(seconds=2)
    assert answers.find("q", ETH).state == "make"


def test_data_of_another_topic_ends_nothing(answers):
    answers.keep("q", "{}", ETH)
    answers.versions.arrived([AAVE, "price:bitcoin"])
    answers.clock.forward(seconds=2)
    assert answers.find("q", ETH).state == "fresh"


@pytest.mark.parametrize("scope", ["*", "tvl:*", "tvl:protocol:*", AAVE])
def test_a_topic_is_news_to_each_of_its_wildcards(answers, scope):
    answers.keep("q", "{}", scope)
    answers.versions.arrived([AAVE])
    answers.clock.forward(seconds=2)
    assert answers.find("q", scope).state == "make"


def test_nothing_that_arrives_is_no_news(answers):
    answers.keep("q", "{}", "*")
    answers.versions.arrived([])
    answers.clock.forward(seconds=2)
    assert answers.find("q", "*").state == "fresh"


def test_data_that_arrives_while_an_answer_is_made_ends_it_too(answers):
    found = answers.find("q", ETH)
    answers.versions.arrived([ETH])
    made_ms = int(answers.clock().timestamp() * 1000)
    answers.results.keep("q", "{}", owner="o", version=found.version, made_ms=made_ms)
    answers.clock.forward(seconds=2)
    assert answers.find("q", ETH).state == "make"


def test_for_a_second_an_answer_is_fresh_whatever_arrives(answers):
    answers.keep("q", "{}", ETH)
    answers.versions.arrived([ETH])
    assert answers.find("q", ETH).state == "fresh"


def test_an_answer_is_made_anew_after_its_life_should_no_arrival_have_been_told(answers):
    answers.keep()
    answers.clock.forward(seconds=61)
    assert answers.find().state == "make"


def test_the_lease_of_one_who_died_ends(answers):
    assert answers.find(owner="a").state == "make"
    answers.clock.forward(seconds=4)
    assert answers.find(owner="b").state == "wait"
    answers.clock.forward(seconds=2)
    assert answers.find(owner="b").state == "make"


def test_who_gives_up_leaves_it_to_the_next(answers):
    answers.find(owner="a")
    answers.results.give_up("q", owner="b")
    assert answers.find(owner="b").state == "wait"
    answers.results.give_up("q", owner="a")
    assert answers.find(owner="b").state == "make"


def test_an_answer_that_is_not_fresh_is_there_as_stale(answers):
    assert answers.results.stale("q") is None
    answers.keep(body="old")
    answers.clock.forward(seconds=61)
    assert answers.find(owner="b").state == "make"
    assert answers.results.stale("q").body == "old"


def test_an_answer_that_is_too_large_is_not_kept_and_leaves_no_lease(answers):
    assert not answers.keep(body="x" * 10_001, owner="a")
    assert not answers.keep(body="\u00e9" * 5001, owner="b")
    assert answers.find(owner="c").state == "make"


def test_a_slow_maker_does_not_replace_a_newer_answer(answers):
    slow = answers.find(owner="slow")
    began_ms = int(answers.clock().timestamp() * 1000)
    answers.clock.forward(seconds=6)
    answers.keep(body="new", owner="quick")
    answers.results.keep("q", "old", owner="slow", version=slow.version, made_ms=began_ms)
    assert answers.results.stale("q").body == "new"


def test_above_the_budget_those_go_that_were_used_longest_ago(answers):
    for number in range(5):
        answers.keep(f"q{number}", "x" * 9000)
        answers.clock.forward(seconds=1)
    assert answers.find("q0").state == "fresh"
    answers.clock.forward(seconds=1)
    answers.keep("q5", "x" * 9000)
    assert {number for number in range(6) if answers.results.stale(f"q{number}")} == {0, 2, 3, 4, 5}


def test_an_answer_that_is_replaced_is_counted_once(answers):
    answers.keep("other", "x" * 9000)
    for _ in range(20):
        answers.clock.forward(seconds=61)
        answers.keep("q", "x" * 9000)
    assert answers.results.stale("other")


def test_a_party_has_its_places_and_no_more(answers):
    assert [answers.find(key, party="a", owner=key).state for key in ("1", "2", "3")] == ["make", "make", "full"]
    assert answers.find("3", party="b", owner="3b").state == "make"
    assert answers.find("4", party="c", owner="4c").state == "full", "all together have three"


def test_who_finds_no_place_takes_the_making_from_nobody(answers):
    for key in ("1", "2"):
        answers.find(key, party="a", owner=key)
    assert answers.find("q", party="a", owner="qa").state == "full"
    assert answers.find("q", party="b", owner="qb").state == "make"


def test_many_addresses_leave_a_place_for_who_has_a_key(answers):
    states = [answers.find(key, party=key, owner=key, is_anonymous=True).state for key in ("1", "2", "3")]
    assert states == ["make", "make", "full"]
    assert answers.find("4", party="user:a", owner="4").state == "make"
    assert answers.find("5", party="user:b", owner="5").state == "full"


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept", "given up"])
def test_an_answer_to_nobody_that_is_made_frees_its_place(answers, is_kept):
    version = ""
    for key in ("1", "2"):
        version = answers.find(key, party=key, owner=key, is_anonymous=True).version
    if is_kept:
        answers.results.keep("1", "{}", owner="1", version=version, made_ms=0)
    else:
        answers.results.give_up("1", owner="1")
    states = [answers.find(key, party=key, owner=key, is_anonymous=True).state for key in ("3", "4")]
    assert states == ["make", "full"]


def test_an_answer_that_is_kept_needs_no_place(answers):
    answers.keep("q", party="a")
    for key in ("1", "2"):
        answers.find(key, party="a", owner=key)
    assert answers.find("q", party="a", owner="qa").state == "fresh"


@pytest.mark.parametrize("body", ["{}", "x" * 10_001], ids=["kept", "too large to be kept"])
def test_an_answer_that_is_made_frees_its_place(answers, body):
    for number in range(5):
        answers.keep(str(number), body, party="a", owner=str(number))
    assert answers.find("q", party="a", owner="qa").state == "make"


def test_who_gives_up_frees_his_place_and_no_others(answers):
    for key in ("1", "2"):
        answers.find(key, party="a", owner=key)
    answers.results.give_up("1", owner="2")
    assert answers.find("3", party="a", owner="3a").state == "full"
    answers.results.give_up("1", owner="1")
    assert answers.find("3", party="a", owner="3a").state == "make"
    assert answers.find("4", party="a", owner="4a").state == "full"


def test_the_places_of_those_who_died_are_free_again(answers):
    for key in ("1", "2"):
        answers.find(key, party="a", owner=key)
    answers.clock.forward(seconds=6)
    assert [answers.find(key, party="a", owner=key).state for key in ("3", "4", "5")] == ["make", "make", "full"]


def test_another_server_knows_no_answer_to_be_fresh(redis_url):
    """One that was restored from a snapshot counts arrivals again from an older number."""
    clock, store = start_of_now(), Redis(redis_url)
    answers = Answers(clock, RedisResults(store, now=clock, **LIMITS), RedisDataVersions(store))
    answers.keep()
    with redis.Redis.from_url(redis_url) as client:
        client.hset("fence", "generation", "another")
    clock.forward(seconds=2)
    assert answers.find().state == "make"
    assert answers.results.stale("q")


def test_what_is_kept_stays_within_the_budget_of_memory(redis_url):
    """As Redis itself counts it, its own structures included."""
    clock, store = start_of_now(), Redis(redis_url)
    results = RedisResults(store, now=clock, **{**LIMITS, "budget_bytes": 500_000})
    answers = Answers(clock, results, RedisDataVersions(store))
    with redis.Redis.from_url(redis_url) as client:
        before = client.info("memory")["used_memory"]
        for number in range(1000):
            answers.keep(f"{number:032d}", "x" * 2000)
        assert client.info("memory")["used_memory"] - before < 1_000_000
        assert int(client.hget("queries", " total")) <= 500_000
        assert client.zcard("queries:used") == client.hlen("queries") - 1 > 200
