"""Who is at fault when a post fails: one client that does not read, or the gateway as a whole."""

from __future__ import annotations

from chalicelib.adapters.connections.lanes import Lane

TRIES_A_ROUND = 3
PATIENCE_S = 5.0
WEIGHT = 1 / 16  # of the newest outcome: eleven lanes that fail in a row make a throttle


class Patience:
    """Decides after each failure whether its lane is tried again in this round.

    API Gateway answers 429 for two reasons: the account is throttled, or the one client does not read and its
    buffer is full. The first passes and is worth waiting for; the second would hold a worker until its deadline.

    - Each failure is a strike against its lane; the third of a round (``TRIES_A_ROUND``) ends it.
    - No strikes are given while the gateway throttles. That begins when most of the recent outcomes are lanes that
      failed for the first time: a lane's further failures say nothing of the gateway, so that a few that fail again
      and again, and alone when all others are done, never look like a throttle. It ends when most tries succeed.
    - A suspect (it failed in a round before) always gets its strikes and is no witness: a round of clients that do
      not read ends at once too.
    - When nothing at all has been taken for ``PATIENCE_S``, a failure ends its lane: a token bucket lets something
      through sooner than that, and the queue is a better place to wait than a worker.
    """

    def __init__(self, now: float) -> None:
        self._failing = 0.0  # the share of failures that count among recent outcomes, exponentially weighted
        self._taken = False  # whether any post was taken since the last failure
        self._taken_at = now

    @property
    def is_throttled(self) -> bool:
        return self._failing > 0.5

    def taken(self) -> None:
        """The gateway took a post, or knew that its connection is gone."""
        self._failing -= self._failing * WEIGHT
        self._taken = True

    def ends(self, lane: Lane, now: float) -> bool:
        """A post of this lane failed: whether that was its last try in this round."""
        if self._taken:
            self._taken, self._taken_at = False, now
        if not lane.suspect and (self.is_throttled or not lane.has_failed):
            self._failing += (1 - self._failing) * WEIGHT
        lane.has_failed = True
        if lane.suspect or not self.is_throttled:
            lane.strikes += 1
        return lane.strikes >= TRIES_A_ROUND or now - self._taken_at >= PATIENCE_S
