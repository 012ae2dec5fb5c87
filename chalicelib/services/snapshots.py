"""The newest values of topics, as the socket would send them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.changes import Change
from chalicelib.domain.topics import PRIVATE_KINDS, is_topic, kind_of
from chalicelib.errors import NotAllowedError, TooManyTopicsError, UnknownTopicError
from chalicelib.ports import Positions


@dataclass(frozen=True, slots=True)
class Snapshot:
    changes: Sequence[Change]
    missing: Sequence[str]


class ReadSnapshot:
    def __init__(self, *, positions: Positions, topics_max: int) -> None:
        self._positions = positions
        self._topics_max = topics_max

    def run(self, topics: Sequence[str]) -> Snapshot:
        """In the order asked for, each once. Raises TooManyTopicsError, UnknownTopicError, NotAllowedError."""
        wanted = list(dict.fromkeys(topics))
        if len(wanted) > self._topics_max:
            raise TooManyTopicsError(f"at most {self._topics_max} topics at once")
        for topic in wanted:
            check_public(topic)
        found = self._positions.newest(wanted)
        return Snapshot(
            [found[topic] for topic in wanted if topic in found], [topic for topic in wanted if topic not in found]
        )


def check_public(topic: str) -> None:
    """Raises UnknownTopicError for what is no single topic, NotAllowedError for what is somebody's own."""
    if not is_topic(topic):
        told = f"no topic {topic!r:.150}"
        if topic.endswith(":*"):
            told += f" alone, but a wildcard: GET /v1/topics?match={topic:.128} lists what it stands for"
        raise UnknownTopicError(told)
    if kind_of(topic) in PRIVATE_KINDS:
        raise NotAllowedError("alerts are private")
