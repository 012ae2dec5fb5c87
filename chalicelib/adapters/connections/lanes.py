"""Posts by WebSocket connection, and those that wait for their next try."""

from __future__ import annotations

import heapq
from collections.abc import Sequence, Set

from chalicelib.ports import Post


class Lane:
    """The posts of one WebSocket connection, made one after another."""

    __slots__ = ("attempts", "has_failed", "place", "posts", "resigned", "strikes", "suspect")

    def __init__(self, post: Post, *, suspect: bool) -> None:
        self.posts = [post]
        self.place = 0  # of the post in hand
        self.attempts = 0  # failures of the post in hand
        self.resigned = False  # whether the post in hand has had its second signature
        self.has_failed = False  # whether any of its posts has
        self.strikes = 0  # failures of any of its posts that are its own fault
        self.suspect = suspect  # whether it failed in a round before this one

    @property
    def post(self) -> Post:
        return self.posts[self.place]

    def rest(self) -> list[Post]:
        return self.posts[self.place :]

    def advance(self) -> bool:
        """To the next post; False if that was the last."""
        self.place += 1
        self.attempts = 0
        self.resigned = False
        return self.place < len(self.posts)

    def give_up(self) -> list[Post]:
        """End the lane; returns the posts that were not made."""
        rest = self.rest()
        self.place = len(self.posts)
        return rest


def lanes_of(posts: Sequence[Post], suspects: Set[str]) -> list[Lane]:
    """One lane a connection, its posts in the order given."""
    lanes: dict[str, Lane] = {}
    for post in posts:
        lane = lanes.get(post.connection)
        if lane is None:
            lanes[post.connection] = Lane(post, suspect=post.connection in suspects)
        else:
            lane.posts.append(post)
    return list(lanes.values())


class Waiting:
    """Lanes put aside until they are due."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Lane]] = []
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due(self) -> float:
        return self._heap[0][0]

    def put(self, lane: Lane, due: float) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, lane))

    def take_due(self, now: float) -> list[Lane]:
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        return due

    def clear(self) -> None:
        self._heap.clear()
