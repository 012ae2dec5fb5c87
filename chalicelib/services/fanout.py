"""Fan-out: from changes and who wants them to delivery jobs.

Connections that are to get the same updates share one payload; a connection gets one frame a batch (more only above
the frame's size); a topic reaches a connection once, by its most specific subscription.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from chalicelib.domain.changes import Change, Due
from chalicelib.domain.topics import wildcards_of
from chalicelib.ports import Recipients
from chalicelib.protocol.envelopes import MAX_MESSAGE_BYTES, DeliveryJob, Frame, encode
from chalicelib.protocol.pushes import FRAME_OVERHEAD_BYTES, encode_update

FRAME_KEYS_BYTES = 32  # {"to":[],"message":},

# One encoded update: the index of its change, the prev that it carries.
Variant = tuple[int, int | None]


@dataclass(frozen=True, slots=True)
class Payload:
    """Updates, in order, for connections that all get the same."""

    variants: Sequence[Variant]
    connections: Sequence[str]


def names_of(changes: Iterable[Change]) -> list[str]:
    """Every topic and wildcard whose subscribers may want these changes."""
    names: dict[str, None] = {}
    for change in changes:
        names[change.topic] = None
        for wildcard in wildcards_of(change.topic):
            names[wildcard] = None
    return list(names)


def coalesce(changes: Sequence[Change], recipients: Recipients) -> list[Payload]:
    """One payload per distinct set of updates. Updates keep the order of the changes."""
    covers = _covers(changes, recipients)
    memberships: dict[str, list[int]] = {}
    for index, (_, _, connections) in enumerate(covers):
        for connection in connections:
            memberships.setdefault(connection, []).append(index)
    alike: dict[tuple[int, ...], list[str]] = {}
    for connection, indices in memberships.items():
        alike.setdefault(tuple(indices), []).append(connection)
    same: dict[tuple[Variant, ...], list[str]] = {}
    for members, connections in alike.items():
        variants = _chosen([covers[index] for index in members])
        if variants:
            same.setdefault(variants, []).extend(connections)
    return [Payload(variants, connections) for variants, connections in same.items()]


# What a group makes of each change that its name covers, how specific its name is, and its connections.
Cover = tuple[int, dict[int, "int | Due | None"], Sequence[str]]


def _covers(changes: Sequence[Change], recipients: Recipients) -> list[Cover]:
    indices: dict[str, list[int]] = {}
    for index, change in enumerate(changes):
        if change.topic in recipients:
            indices.setdefault(change.topic, []).append(index)
        for wildcard in wildcards_of(change.topic):
            if wildcard in recipients:
                indices.setdefault(wildcard, []).append(index)
    covers: list[Cover] = []
    for name, covered in indices.items():
        specificity = len(name) if name.endswith(":*") else 1000
        for group, connections in recipients[name].items():
            covers.append((specificity, {index: changes[index].due(group) for index in covered}, connections))
    return covers


def _chosen(covers: Sequence[Cover]) -> tuple[Variant, ...]:
    """The most specific subscription decides, even if it says no."""
    best: dict[int, tuple[int, int | Due | None]] = {}
    for specificity, due_by_index, _ in covers:
        for index, due in due_by_index.items():
            if index not in best or specificity > best[index][0]:
                best[index] = (specificity, due)
    return tuple((index, due) for index, (_, due) in sorted(best.items()) if not isinstance(due, Due))


@dataclass(slots=True)
class JobBuilder:
    """Packs payloads into as few jobs as their limits allow; every job names the messages that it came from."""

    frame_bytes: int
    posts_per_job: int
    jobs: list[DeliveryJob] = field(default_factory=list)
    _index: dict[bytes, int] = field(default_factory=dict)
    _size: int = 0
    _posts: int = 0

    def add(self, updates: Sequence[bytes], connections: Sequence[str], sources: Iterable[str] = ()) -> None:
        """Updates for connections, cut into frames."""
        for frame in self._frames(updates):
            for start in range(0, len(connections), self.posts_per_job):
                self._place(frame, connections[start : start + self.posts_per_job], sources)

    def add_message(self, message: bytes, connections: Sequence[str]) -> None:
        """One whole message, a notice say."""
        addresses = FRAME_KEYS_BYTES + _addresses(connections)
        job = self._room(len(message) + addresses, len(connections))
        job.frames.append(Frame(to=list(connections), message=msgspec.Raw(message)))
        self._size += len(message) + addresses

    def _frames(self, updates: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
        frame: list[bytes] = []
        size = FRAME_OVERHEAD_BYTES
        for update in updates:
            if frame and size + len(update) + 1 > self.frame_bytes:
                yield frame
                frame, size = [], FRAME_OVERHEAD_BYTES
            frame.append(update)
            size += len(update) + 1
        if frame:
            yield frame

    def _place(self, frame: Sequence[bytes], connections: Sequence[str], sources: Iterable[str]) -> None:
        fixed = FRAME_KEYS_BYTES + _addresses(connections) + 6 * len(frame)
        new = sum(len(update) + 1 for update in frame if update not in self._index)
        job = self._room(new + fixed, len(connections))
        for update in frame:
            if update not in self._index:
                self._index[update] = len(job.updates)
                job.updates.append(msgspec.Raw(update))
                self._size += len(update) + 1
        self._size += fixed
        job.frames.append(Frame(to=list(connections), updates=[self._index[update] for update in frame]))
        job.sources.extend(source for source in sources if source not in job.sources)

    def _room(self, size: int, posts: int) -> DeliveryJob:
        """The last job if it has room for this, else a new one."""
        full = self._size + size > MAX_MESSAGE_BYTES - 2_000 or self._posts + posts > self.posts_per_job
        if not self.jobs or (full and self._posts):
            self.jobs.append(DeliveryJob(id=secrets.token_urlsafe(9), frames=[], updates=[], sources=[]))
            self._index, self._size, self._posts = {}, 0, 0
        self._posts += posts
        return self.jobs[-1]


def _addresses(connections: Sequence[str]) -> int:
    return sum(len(connection) + 3 for connection in connections)


def build_jobs(
    changes: Sequence[Change],
    recipients: Recipients,
    *,
    sources: Mapping[int, Sequence[str]],
    frame_bytes: int,
    posts_per_job: int,
) -> list[DeliveryJob]:
    """Delivery jobs for changes; ``sources`` maps a change's index to the queue messages that it came from."""
    builder = JobBuilder(frame_bytes=frame_bytes, posts_per_job=posts_per_job)
    encoded: dict[Variant, bytes] = {}
    for payload in coalesce(changes, recipients):
        for variant in payload.variants:
            if variant not in encoded:
                encoded[variant] = encode_update(changes[variant[0]], variant[1])
        came_from = {source for index, _ in payload.variants for source in sources.get(index, ())}
        builder.add([encoded[variant] for variant in payload.variants], payload.connections, sorted(came_from))
    return builder.jobs


def encode_jobs(jobs: Sequence[DeliveryJob]) -> list[bytes]:
    return [encode(job) for job in jobs]
