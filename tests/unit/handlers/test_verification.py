"""verify_release: CodeDeploy always hears a verdict; and what the real app answers to what is recorded."""

from __future__ import annotations

import json
from typing import Any

import pytest

import app as switchboard
from chalicelib import container as root
from chalicelib.errors import SettingsError, StoreDownError
from chalicelib.handlers.verification import RESERVE_S
from chalicelib.ports import FunctionVersion, Invoked
from chalicelib.services.expectations import TRIALS
from chalicelib.services.verification import VerifyRelease
from tests.fake_releases import FakeDeployments, FakeFunctions
from tests.unit.handlers.rig import Context

CALL = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "hook-1"}
SETTLED = Invoked({"batchItemFailures": []}, failed=False, took_s=0.1)


class LongContext(Context):
    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 300_000


class Rig:
    def __init__(self) -> None:
        self.deployments = FakeDeployments(FunctionVersion("process", "7"))
        self.functions = FakeFunctions(process=SETTLED)
        self.fails: Exception | None = None

    @property
    def verify_release(self) -> VerifyRelease:
        if self.fails:
            raise self.fails
        return VerifyRelease(
            deployments=self.deployments, functions=self.functions, recorded=lambda _: {}, name_prefix=""
        )


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    rig = Rig()
    monkeypatch.setattr(switchboard, "container", lambda: rig)
    monkeypatch.setattr(switchboard, "deployments", lambda: rig.deployments)
    return rig


def test_a_good_version_goes_on(rig):
    assert switchboard.verify_release(CALL, LongContext()) == {"deployment": "d-1", "succeeded": True, "problems": []}
    assert rig.deployments.verdicts == [("d-1", "hook-1", True)]


def test_a_bad_version_is_stopped(rig):
    rig.functions.answers["process"] = Invoked({"errorMessage": "no"}, failed=True, took_s=0.1)
    assert switchboard.verify_release(CALL, LongContext())["succeeded"] is False
    assert rig.deployments.verdicts == [("d-1", "hook-1", False)]


@pytest.mark.parametrize("fault", [SettingsError("bad settings: STAGE is missing"), ZeroDivisionError()])
def test_who_cannot_judge_says_no(rig, fault):
    """Without a verdict CodeDeploy waits for an hour."""
    rig.fails = fault
    answer = switchboard.verify_release(CALL, LongContext())
    assert rig.deployments.verdicts == [("d-1", "hook-1", False)]
    assert str(fault) in answer["problems"][0]


def test_a_verdict_that_was_not_taken_fails_the_call(rig):
    """Lambda then calls again."""
    rig.deployments.down = True
    with pytest.raises(StoreDownError):
        switchboard.verify_release(CALL, LongContext())


def test_time_is_kept_for_a_call_that_began_and_for_the_verdict(rig, monkeypatch):
    monkeypatch.setattr(LongContext, "get_remaining_time_in_millis", lambda _: int(RESERVE_S * 1000) - 1)
    assert "no time was left" in switchboard.verify_release(CALL, LongContext())["problems"][0]
    assert rig.deployments.verdicts == [("d-1", "hook-1", False)]


# --- what is recorded, given to the app ---


def recorded(name: str) -> dict[str, Any]:
    text = (root.RECORDED / f"{name}.json").read_text()
    event: dict[str, Any] = json.loads(text.replace("TOKEN_SECRET_ID", "signing"))
    return event


def answered(invoke: Any, function: str, event: dict[str, Any]) -> Invoked:
    """As Lambda tells of it."""
    called = switchboard.app if function == "api" else getattr(switchboard, function)
    try:
        return Invoked(json.loads(json.dumps(called(event, Context()))), failed=False, took_s=0.1)
    except Exception as error:
        return Invoked({"errorType": type(error).__name__, "errorMessage": str(error)}, failed=True, took_s=0.1)


EVERY = [(function, trial) for function, trials in TRIALS.items() for trial in trials]


@pytest.mark.parametrize(("function", "trial"), EVERY, ids=[trial.event for _, trial in EVERY])
def test_the_app_as_it_is_passes_its_own_verification(invoke, function, trial):
    answered(invoke, "disconnect", recorded("disconnect"))
    assert trial.holds(answered(invoke, function, recorded(trial.event)))


@pytest.mark.parametrize(("function", "trial"), EVERY, ids=[trial.event for _, trial in EVERY])
def test_nothing_that_a_client_sees_comes_of_it(invoke, function, trial):
    """Who subscribes to everything gets nothing; nothing is buried, and nothing is to come again."""
    rig, container = invoke.rig, invoke.container
    rig.connect()
    rig.ask("subscribe", topics=["price:*", "tvl:*", "peg:*", "yield:*"])
    answered(invoke, "disconnect", recorded("disconnect"))
    answered(invoke, function, recorded(trial.event))
    assert rig.jobs.jobs == []
    assert rig.store.sessions.keys() == {"c"}
    assert (container.dead_letters.buried, container.retries.delays_s) == ([], {})
    assert container.publisher.of("") == container.publisher.of("feed:smoke:")
