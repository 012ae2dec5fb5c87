"""A new version gets traffic only if it answers recorded events as it should."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chalicelib.errors import StoreDownError
from chalicelib.ports import FunctionVersion, Invoked
from chalicelib.services.verification import PAUSE_S, TRIES, VerifyRelease
from tests.fake_releases import FakeDeployments, FakeFunctions

OK = Invoked({"statusCode": 200}, failed=False, took_s=0.2)
SETTLED = Invoked({"batchItemFailures": []}, failed=False, took_s=0.2)
REPLY = Invoked(
    {"statusCode": 200, "body": json.dumps({"type": "reply", "id": 4, "ok": False, "error": {"name": "refused"}})},
    failed=False,
    took_s=0.2,
)


class Rig:
    """One deployment, of ``function``'s version 7, on a clock that only sleeping moves."""

    def __init__(self, function: str, **answers: Any) -> None:
        self.deployments = FakeDeployments(FunctionVersion(f"p-{function}", "7"))
        self.functions = FakeFunctions(**answers)
        self.at = 0.0
        self.service = VerifyRelease(
            deployments=self.deployments,
            functions=self.functions,
            recorded=lambda name: {"recorded": name},
            name_prefix="p-",
            sleep=self.sleep,
            monotonic=lambda: self.at,
        )

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    def problems(self, deadline: float = 225.0) -> list[str]:
        return self.service.run("d-1", deadline=deadline)


def test_the_new_version_itself_is_called_and_passes():
    rig = Rig("process", process=SETTLED)
    assert rig.problems() == []
    assert rig.functions.calls == [("p-process", "7")]


def test_what_went_wrong_is_told():
    crash = {"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named 'msgspec'"}
    rig = Rig("process", process=Invoked(crash, failed=True, took_s=0.2))
    (problem,) = rig.problems()
    assert problem.startswith("process:7, process: expected no message of its batch to come again, got ")
    assert "No module named 'msgspec'" in problem


def test_an_answer_is_not_repeated():
    """It may hold a token."""
    rig = Rig("api", api=Invoked({"statusCode": 500, "body": '{"token":"s3cr3t"}'}, failed=False, took_s=0.1))
    assert "s3cr3t" not in " ".join(rig.problems())


@pytest.mark.parametrize("payload", [None, [], "text", {}, {"batchItemFailures": [{"itemIdentifier": "m"}]}])
def test_an_answer_of_another_shape_does_not_pass(payload):
    assert len(Rig("process", process=Invoked(payload, failed=False, took_s=0.1)).problems()) == 1


@pytest.mark.parametrize("body", ["{", "[]", '{"type":"reply","id":4,"ok":false,"error":{"name":"temporary"}}'])
def test_a_reply_that_is_our_own_error_does_not_pass(body):
    answer = Invoked({"statusCode": 200, "body": body}, failed=False, took_s=0.1)
    assert len(Rig("message", message=answer, disconnect=OK).problems()) == 1


def test_a_function_that_nothing_is_recorded_for_does_not_pass():
    assert Rig("newcomer", newcomer=OK).problems() == ["no event is recorded for newcomer"]


def test_a_deployment_of_nothing_does_not_pass():
    rig = Rig("process")
    rig.deployments.targets.clear()
    assert rig.problems() == ["deployment d-1 names no version"]


def test_a_throttled_version_is_called_again():
    """poll has one place only, and may be running."""
    rig = Rig("process", process=SETTLED)
    rig.functions.refusals = TRIES - 1
    assert rig.problems() == []
    assert rig.at == (TRIES - 1) * PAUSE_S


def test_a_version_that_can_never_be_called_does_not_pass():
    rig = Rig("process", process=SETTLED)
    rig.functions.refusals = TRIES
    assert rig.problems() == ["process:7, process: Rate exceeded"]


def test_no_call_begins_when_the_time_is_over():
    rig = Rig("process", process=SETTLED)
    assert rig.problems(deadline=0.0) == ["process:7, process: no time was left to try it"]
    assert rig.functions.calls == []


@pytest.mark.parametrize(("function", "answer"), [("disconnect", OK), ("process", SETTLED)])
def test_only_what_clients_wait_for_must_be_quick(function, answer):
    slow = Invoked(answer.payload, failed=False, took_s=8.5)
    assert bool(Rig(function, **{function: slow}).problems()) == (function == "disconnect")


@pytest.mark.parametrize(("function", "answer"), [("connect", OK), ("message", REPLY)])
def test_the_recorded_connection_has_ended_before_it_is_used(function, answer):
    """Else it would become a session, which counts as open for two hours."""
    rig = Rig(function, disconnect=OK, **{function: answer})
    assert rig.problems() == []
    assert rig.functions.calls == [("p-disconnect", "live"), (f"p-{function}", "7")]


def test_a_fault_of_the_old_version_does_not_keep_the_new_one_out():
    def down(_: Any) -> Invoked:
        raise StoreDownError("Rate exceeded")

    assert Rig("connect", connect=OK, disconnect=down).problems() == []


def test_every_version_of_a_deployment_is_tried():
    rig = Rig("process", process=SETTLED, tick=Invoked({}, failed=False, took_s=0.1))
    rig.deployments.targets.append(FunctionVersion("p-tick", "9"))
    (problem,) = rig.problems()
    assert problem.startswith("tick:9, tick: ")
