"""The past, loaded the way it is loaded into a stage: through the history's queue and ``record``."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest

from localcloud.testing import LocalCloud
from scripts import backfill
from tests.e2e.watching import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]

SOME = ["--from-recorded", "--kinds", "chains", "--limit", "3", "--since", "2023-06-01", "--until", "2023-07-01"]


def rows(cloud: LocalCloud) -> list[tuple[str, int, int]]:
    """Of each topic: observations, and samples in its candles of a day."""
    with psycopg.connect(cloud.postgres.url) as connection:
        return connection.execute(
            "SELECT topic, (SELECT count(*) FROM history.observations WHERE entity_id = id_of.id),"
            " (SELECT sum(samples)::int FROM history.candles WHERE entity_id = id_of.id AND interval = 1440)"
            " FROM history.entities AS id_of WHERE topic LIKE 'tvl:chain:%' ORDER BY topic"
        ).fetchall()


async def test_a_backfill_through_the_queue_is_recorded_once_however_often_it_is_run(cloud, tmp_path, capsys):
    queue = ["--queue-url", cloud.outputs["HistoryQueueUrl"], "--endpoint-url", cloud.aws.url]

    async def run(name: str) -> int:
        words = [*queue, *SOME, "--state", str(tmp_path / name), "--json"]
        assert await asyncio.to_thread(backfill.main, words) == 0
        return json.loads(capsys.readouterr().out)["observations"]

    said = await run("first")
    assert said == 3 * 30
    await until(lambda: sum(count for _, count, _ in rows(cloud)) == said)
    await until(lambda: cloud.pollers.by_function["record"].in_flight == 0)
    once = rows(cloud)
    assert [counts for _, *counts in once] == [[30, 30]] * 3
    recorded = cloud.pollers.by_function["record"].counts.deleted
    assert await run("again") == said, "with a file of its own it begins again"
    await until(lambda: cloud.pollers.by_function["record"].counts.deleted >= 2 * recorded)
    assert rows(cloud) == once
