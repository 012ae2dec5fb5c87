"""What is a topic, what is a wildcard, and which wildcards cover which topics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.topics import KINDS, is_coin_key, is_topic, is_wildcard, kind_of, matches, wildcards_of

segments = st.text("abcXYZ019 ._-", min_size=1, max_size=12)
topics = st.builds(
    lambda kind, rest: ":".join([kind, *rest]), st.sampled_from(KINDS), st.lists(segments, min_size=1, max_size=4)
)


@pytest.mark.parametrize(
    "text",
    [
        "price:ethereum",
        "price:base:0xAbC0123456789",
        "price:solana:So11111111111111111111111111111111111111112",
        "tvl:protocol:aave-v3",
        "tvl:chain:OP Mainnet",
        "peg:usd-coin",
        "yield:747c1d2a-c668-4682-b9f9-296708a3dd90",
        "feed:prices",
        "alerts:user-1",
    ],
)
def test_a_topic_is_a_known_kind_and_a_name(text):
    assert is_topic(text)
    assert not is_wildcard(text)


@pytest.mark.parametrize(
    "text",
    [
        "price:a\n",
        "price:é",
        "price:" + "x" * 123,
        "",
        "price",
        "price:",
        ":x",
        "prize:eth",
        "Price:eth",
        "price::x",
        "price:a:",
        "price:*",
        "price:a|b",
        "price:a,b",
    ],
)
def test_anything_else_is_no_topic(text):
    assert not is_topic(text)


@pytest.mark.parametrize("text", ["price:*", "tvl:*", "tvl:protocol:*", "price:base:*"])
def test_a_wildcard_ends_a_kind_or_a_topic(text):
    assert is_wildcard(text)


@pytest.mark.parametrize(
    "text", ["*", ":*", "prize:*", "price*", "price:e*", "price:*:*", "price:*:x", "price:" + "x" * 122 + ":*"]
)
def test_anything_else_is_no_wildcard(text):
    assert not is_wildcard(text)


def test_wildcards_of_a_topic_come_the_most_specific_first():
    assert list(wildcards_of("tvl:protocol:aave")) == ["tvl:protocol:*", "tvl:*"]


@given(topics)
def test_every_wildcard_of_a_topic_is_one_and_covers_it(topic):
    found = list(wildcards_of(topic))
    assert all(is_wildcard(wildcard) and matches(wildcard, topic) for wildcard in found)
    assert found == sorted(found, key=len, reverse=True)
    assert found[-1] == f"{kind_of(topic)}:*"


@given(topics, topics)
def test_a_wildcard_covers_a_topic_only_if_it_is_one_of_its_wildcards(one, other):
    for wildcard in wildcards_of(one):
        assert matches(wildcard, other) is (wildcard in wildcards_of(other))


@given(topics, topics)
def test_a_topic_covers_itself_only(one, other):
    assert matches(one, other) is (one == other)


@given(st.text(max_size=140))
def test_no_text_is_both_a_topic_and_a_wildcard(text):
    assert not (is_topic(text) and is_wildcard(text))


@pytest.mark.parametrize(
    ("coin", "valid"),
    [
        ("base:0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", True),
        ("coingecko:pepe", True),
        ("ethereum", False),
        ("Base:0xabc", False),
        ("base:", False),
        ("base:0x", False),
        ("base:0xabc:def", False),
        ("base:a b c", False),
    ],
)
def test_a_coin_key_is_a_chain_and_an_address(coin, valid):
    assert is_coin_key(coin) is valid
