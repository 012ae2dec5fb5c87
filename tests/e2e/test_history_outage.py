"""PostgreSQL is away for a while under load: nobody who streams waits, and in the end the history is whole."""

from __future__ import annotations

import pytest

from benchmarks.outage import Run, is_whole


@pytest.mark.timeout(240)
async def test_streaming_does_not_wait_for_postgresql_and_history_is_whole_afterwards(start_cloud):
    """What was published meanwhile came before the database was back; each observation is one row and one sample."""
    cloud = await start_cloud(timeouts_s={"record": 20}, parameters={"RecordVisibility": "30"})
    result = await Run(cloud, topics=8, per_second=3).outage(5)
    assert result["streamed_while_away"] >= result["published_while_away"] - 2 * 8, result  # the last may be on its way
    assert result["queue_deepest"] > 3, result
    assert result["reconnects"] == 0
    assert is_whole(result), result
