"""What the records of deployments say of frequency, success, lead time and recovery."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from scripts import release_stats
from scripts.deployment.records import BAD, DEPLOYED, FAILED, ROLLED_BACK, STARTED, Record
from scripts.deployment.statistics import statistics

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def record(
    version: str, hours_ago: float, outcome: str = DEPLOYED, *, took_min: float = 10, smoke: str = "passed", **more: str
) -> Record:
    started = NOW - timedelta(hours=hours_ago)
    about = {"kind": "deploy", "previous": None, "commit": version, **more}
    return Record(
        stage="staging",
        version=version,
        template={},
        zip={},
        revision="r1",
        database={},
        schema=[],
        who="me",
        started=started.isoformat(),
        finished="" if outcome == STARTED else (started + timedelta(minutes=took_min)).isoformat(),
        outcome=outcome,
        smoke=smoke,
        **about,
    )


def of(*oldest_first: Record, days: int = 28, **more: object):
    return statistics("staging", list(oldest_first)[::-1], days=days, now=NOW, **more)


def test_deployments_are_counted_a_week_and_rollbacks_are_none():
    found = of(
        *(record(f"v{n}", n) for n in range(20, 0, -1)), record("v2", 0.5, kind="rollback", previous="v1"), days=14
    )
    assert (found.deployments, found.per_week) == (20, 10.0)


def test_older_ones_and_those_that_nobody_saw_end_are_not_counted():
    assert of(record("old", 24 * 30), record("a", 3), record("b", 1, STARTED)).deployments == 1


@pytest.mark.parametrize("bad", [{"outcome": FAILED}, {"outcome": ROLLED_BACK}, {"smoke": BAD}])
def test_what_failed_was_taken_back_or_smoked_out_did_not_go_well(bad):
    found = of(record("a", 3), record("b", 2, **bad), record("c", 1), record("d", 0.5))
    assert found.success_rate == 0.75


def test_what_an_alarm_took_back_was_recovered_from_when_that_had_ended():
    (failure,) = of(record("a", 3), record("b", 2, ROLLED_BACK, took_min=7)).failures
    assert (failure.why, failure.lasted) == ("taken back", timedelta(minutes=7))


def test_a_bad_smoke_test_lasts_until_a_rollback_has_ended_which_is_no_second_failure():
    bad = record("b", 2, smoke=BAD, took_min=10)
    back = record("a", 1.75, kind="rollback", previous="b", took_min=3)
    found = of(record("a", 3), bad, back)
    (failure,) = found.failures
    assert (failure.why, failure.lasted) == ("smoke test failed", timedelta(minutes=8))
    assert found.recovery == timedelta(minutes=8)


def test_a_rollback_by_a_person_counts_its_own_time():
    found = of(record("a", 3), record("b", 2), record("a", 1, kind="rollback", previous="b", took_min=4))
    (failure,) = found.failures
    assert (failure.version, failure.why, failure.lasted) == ("b", "rolled back", timedelta(minutes=4))


def test_what_is_not_mended_yet_is_told_and_not_averaged():
    found = of(record("a", 3), record("b", 1, FAILED))
    assert [failure.lasted for failure in found.failures] == [None]
    assert found.recovery is None
    assert "not mended yet" in release_stats.text(found)


def test_the_lead_time_is_the_median_from_commit_to_the_first_deployment_of_it():
    made = {"a": NOW - timedelta(hours=5), "b": NOW - timedelta(hours=4)}
    found = of(record("a", 4), record("b", 3), record("b", 1), record("c", 1), committed=made.get)
    assert found.lead_time == timedelta(minutes=70)


def test_nothing_deployed_is_nothing_to_judge():
    found = of()
    assert release_stats.reached(found) == {"week": False, "success": None, "recovery": None}
    assert "nothing to judge" in release_stats.text(found)


def test_the_goals_stand_beside_the_figures():
    found = of(*(record(f"v{n}", n) for n in range(50, 0, -1)), record("z", 0.5, ROLLED_BACK, took_min=31))
    assert release_stats.reached(found) == {"week": True, "success": True, "recovery": False}
    assert "goal: below 30 minutes: NOT reached" in release_stats.text(found)
    told = release_stats.document(found)
    assert told["goals"]["reached"] == {"week": True, "success": True, "recovery": False}
    assert told["recovery_s"] == 31 * 60


def test_git_knows_its_own_commits_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(release_stats, "PROJECT", tmp_path)
    author = ["-c", "user.name=me", "-c", "user.email=me@example.com"]
    for line in (["init", "-q"], [*author, "commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run(["git", *line], cwd=tmp_path, check=True)
    assert release_stats.committed("HEAD") is not None
    assert release_stats.committed("0123456789abcdef") is None
