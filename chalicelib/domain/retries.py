"""When a notification that did not arrive is tried again, and when no longer."""

from __future__ import annotations

from datetime import datetime, timedelta

# Short enough at first for a receiver that is being deployed, long enough later not to hammer one that is down.
STEPS_S = (5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
JITTER = 0.2  # of the step, added: what failed together must not come again together
MAX_WAIT_S = 86_400
WEBHOOK_PATIENCE = timedelta(days=5)
EMAIL_PATIENCE = timedelta(days=1)  # an alert by mail that is older tells nothing


def next_try(at: datetime, *, failures: int, retry_after_s: float, until: datetime, random: float) -> datetime | None:
    """When to try again after so many failures in a row (from 1), at least after what the receiver asked for.

    The last try is at ``until``: None from then on. ``random`` is from 0 to 1.
    """
    if at >= until:
        return None
    step = STEPS_S[min(failures, len(STEPS_S)) - 1] * (1 + JITTER * random)
    wait = max(step, min(retry_after_s, MAX_WAIT_S))
    return min(at + timedelta(seconds=wait), until)
