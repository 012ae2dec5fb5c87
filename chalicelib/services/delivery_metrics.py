"""What a delivery says of itself: its metrics, and which changes came by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import msgspec

from chalicelib.ports import Post, PostResults
from chalicelib.protocol.envelopes import DeliveryJob
from chalicelib.telemetry import metrics


class _Update(msgspec.Struct):
    topic: str = ""
    offset: int = 0


_update_of = msgspec.json.Decoder(_Update).decode


def measure(
    results: PostResults,
    posts: Sequence[Post],
    jobs: Sequence[DeliveryJob],
    places: Sequence[tuple[int, int]],
    *,
    took_s: float,
    at_ms: Callable[[float], float],
) -> None:
    """``places`` maps a post's index to its (job, frame); ``at_ms`` turns monotonic seconds into Unix milliseconds."""
    metrics.count("FramesDelivered", results.sent)
    metrics.count("DeliveryErrors", len(results.refused))
    metrics.count("PostsThrottled", results.throttled)
    if results.sent and took_s > 0:
        metrics.record("PostsPerSecond", round(results.sent / took_s, 1))
    sizes = {post.index: len(post.body) for post in posts}
    updates = {mark: len(jobs[places[mark][0]].frames[places[mark][1]].updates) for mark in sizes}
    metrics.record_all("FrameBytes", sizes.values())
    metrics.record_all("UpdatesPerFrame", filter(None, updates.values()))
    metrics.count("UpdatesDelivered", sum(updates[mark] for mark, _ in results.sent_at))
    published = {mark: jobs[places[mark][0]].published_ms for mark in sizes}
    sequenced = {mark: jobs[places[mark][0]].sequenced_ms for mark in sizes}
    for name, since in (("PublishedToSent", published), ("SequencedToSent", sequenced)):
        delays = [max(0.0, at_ms(at) - since[mark]) for mark, at in results.sent_at if since[mark]]
        metrics.record_all(name, [round(delay, 1) for delay in metrics.thinned(delays)])


def changes_of(jobs: Iterable[DeliveryJob]) -> list[str]:
    """The distinct changes that jobs carry, as process names them: topic@offset."""
    found: dict[str, None] = {}
    for job in jobs:
        for raw in job.updates:
            try:
                update = _update_of(raw)
            except msgspec.MsgspecError:  # not ours to judge here
                continue
            found[f"{update.topic}@{update.offset}"] = None
    return list(found)
