"""Epochs that end, and frames of them that come late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from defistream.position import Position
from defistream.update import Update

START = datetime(2026, 1, 1, tzinfo=UTC)


def told(epoch: str, offset: int, second: int, *, snapshot: bool = False) -> Update:
    at = START + timedelta(seconds=second)
    return Update(
        topic="price:a",
        epoch=epoch,
        offset=offset,
        prev=offset - 1 if offset > 1 and not snapshot else None,
        value=Decimal(offset),
        previous=None,
        change_pct=None,
        observed_at=at,
        published_at=at,
        sent_at=at,
        source="test",
        confidence=None,
        snapshot=snapshot,
        received_at=at,
    )


def accepted(*updates: Update) -> list[tuple[str, int]]:
    position = Position()
    return [(update.epoch, update.offset) for update in updates if position.accept(update)]


def test_a_late_frame_of_an_epoch_that_was_left_is_dropped() -> None:
    assert accepted(told("a", 1, 1), told("b", 1, 2), told("a", 2, 1), told("b", 2, 3)) == [
        ("a", 1),
        ("b", 1),
        ("b", 2),
    ]


def test_a_late_frame_of_an_epoch_that_was_never_seen_is_dropped() -> None:
    assert accepted(told("b", 1, 5), told("a", 7, 4), told("b", 2, 6)) == [("b", 1), ("b", 2)]


def test_the_older_value_of_a_restored_server_is_shown() -> None:
    assert accepted(told("a", 9, 9), told("b", 0, 3, snapshot=True), told("b", 1, 10))[-2:] == [("b", 0), ("b", 1)]


def test_a_late_snapshot_of_an_epoch_gone_by_does_not_silence_its_successor() -> None:
    updates = accepted(
        told("b", 1, 5), told("a", 7, 4, snapshot=True), told("b", 2, 6), told("b", 3, 7), told("a", 8, 4)
    )
    assert updates == [("b", 1), ("a", 7), ("b", 2), ("b", 3)]
