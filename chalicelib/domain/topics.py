"""Topic names: what is a topic, what is a wildcard, which wildcards match a topic.

A topic is ``{kind}:{rest}``; the kind is lower case, the rest keeps its case (Solana addresses have one).
A wildcard ends in ``:*`` and matches every topic below that segment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

MAX_TOPIC_LENGTH = 128
KINDS = ("price", "tvl", "peg", "yield", "feed", "alerts")
PRIVATE_KINDS = frozenset({"alerts"})

MY_ALERTS = "alerts:me"  # for whom need not know their own name

REHEARSALS = "feed:smoke:"  # what begins so is published to try a stage out, and is no news of any source

_TOPIC = re.compile(r"[a-z]+(?::[A-Za-z0-9 ._&()+'/!@$#~-]+)+\Z")
_COIN_KEY = re.compile(r"[a-z0-9_-]+:[A-Za-z0-9._-]{3,100}\Z")


def is_topic(text: str) -> bool:
    """True for a well-formed concrete topic of a known kind; says nothing of its existence."""
    return len(text) <= MAX_TOPIC_LENGTH and _TOPIC.match(text) is not None and kind_of(text) in KINDS


def is_wildcard(text: str) -> bool:
    """True for ``{kind}[:segment…]:*``."""
    if len(text) > MAX_TOPIC_LENGTH or not text.endswith(":*"):
        return False
    stem = text[:-2]
    return stem in KINDS or is_topic(stem)


def own_topic(text: str, user: str) -> str:
    """``alerts:me`` by its real name; anything else as it is."""
    return f"alerts:{user}" if text == MY_ALERTS else text


def kind_of(topic: str) -> str:
    return topic.partition(":")[0]


def wildcards_of(topic: str) -> Iterator[str]:
    """Every wildcard that matches a topic, the most specific first: ``a:b:c`` gives ``a:b:*``, ``a:*``."""
    end = topic.rfind(":")
    while end > 0:
        yield topic[: end + 1] + "*"
        end = topic.rfind(":", 0, end)


def is_rehearsal(topic: str) -> bool:
    return topic.startswith(REHEARSALS)


def matches(pattern: str, topic: str) -> bool:
    """Whether a subscription to ``pattern`` (a topic or a wildcard) covers ``topic``."""
    return pattern == topic or (pattern.endswith(":*") and topic.startswith(pattern[:-1]))


def is_coin_key(coin: str) -> bool:
    """True for a DefiLlama coin key, ``{chain}:{address}``: a coin that anyone may ask for."""
    return _COIN_KEY.match(coin) is not None
