"""The outside checker finds what it is there to find."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.e2e.outside import Recording, Seen, judge, whole_up_to


def seen(offset: int, prev: int | None, at: float = 0.0, *, value: int = 1, snapshot: bool = False) -> Seen:
    return Seen("price:a", "e1", offset, prev, Decimal(value), snapshot, at)


def recording(*updates: Seen) -> Recording:
    return Recording(updates=list(updates), began_at=0.0, ended_at=60.0)


def test_a_whole_chain_is_found_whole_in_any_order_of_arrival() -> None:
    verdict = judge(recording(seen(4, 4, snapshot=True), seen(6, 5, 1.0), seen(5, 4, 1.5), seen(7, 6, 2.0)))

    assert verdict.problems == []
    assert (verdict.updates, verdict.out_of_order, verdict.latest_s) == (3, 1, 0.5)


def test_an_update_sent_twice_is_counted_not_condemned() -> None:
    verdict = judge(recording(seen(1, None), seen(1, None)))
    assert (verdict.problems, verdict.repeated) == ([], 1)


@pytest.mark.parametrize(
    "updates",
    [
        (seen(1, None), seen(3, 2)),
        (seen(4, 4, snapshot=True), seen(6, 5)),
        (seen(1, None), seen(2, 1), seen(3, 1)),
        (seen(1, None, 1.0), seen(3, 2, 1.0), seen(2, 1, 4.0)),
        (seen(1, None, value=1), seen(1, None, value=2)),
        (),
    ],
    ids=["missing", "missing after the snapshot", "wrong prev", "late", "one offset, two values", "silence"],
)
def test_what_is_wrong_is_found(updates: tuple[Seen, ...]) -> None:
    assert judge(recording(*updates)).problems


def test_a_gap_at_the_very_end_may_still_fill() -> None:
    assert judge(recording(seen(1, None, 1.0), seen(3, 2, 59.0))).problems == []


def test_a_rate_that_is_not_kept_is_found() -> None:
    chain = [seen(offset, offset - 1 or None, float(offset)) for offset in range(1, 16)]
    assert judge(recording(*chain), interval_s=5.0).problems


def test_a_move_below_the_filter_is_found() -> None:
    small = recording(seen(1, None, value=1000), seen(2, 1, value=1001))
    large = recording(seen(1, None, value=1000), seen(2, 1, value=1010))

    assert judge(small, min_change_pct=Decimal(1)).problems
    assert judge(large, min_change_pct=Decimal(1)).problems == []


def test_an_unrecovered_topic_is_found() -> None:
    heard = recording(seen(1, None))
    heard.replies.append(
        {"ok": True, "asked": {"price:a": {"epoch": "e1", "offset": 1}},
         "result": {"topics": {"price:a": {"epoch": "e1", "offset": 9, "recovered": False}}}}
    )  # fmt: skip
    assert judge(heard).problems


def test_a_resume_begins_where_the_chain_is_still_whole() -> None:
    assert whole_up_to([seen(4, 4, snapshot=True), seen(7, 6), seen(5, 4)]) == 5
