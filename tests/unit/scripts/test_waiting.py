"""Patience with AWS, and its end."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from scripts.deployment.errors import DetachedError, StillGoingError
from scripts.deployment.waiting import Waiting, problem


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeStacks")


def answers(*given: Exception | str) -> Callable[[], str]:
    waiting = list(given)

    def call() -> str:
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


class Clock:
    """Every look takes a second."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@pytest.mark.parametrize(
    "passing", [refusal("Throttling"), refusal("ServiceUnavailable"), EndpointConnectionError(endpoint_url="https://x")]
)
def test_what_passes_is_waited_for(passing: Exception) -> None:
    assert Waiting(every_s=0).ask(answers(passing, passing, "done")) == "done"


def test_patience_ends() -> None:
    """A fault that lasts is not waited for until somebody kills the job."""
    with pytest.raises(StillGoingError, match="has not answered for 10 s"):
        Waiting(every_s=0, patience_s=10, clock=Clock()).ask(answers(refusal("Throttling")))


def test_credentials_that_ran_out_are_said_at_once() -> None:
    with pytest.raises(StillGoingError, match="expired: renew them"):
        Waiting(every_s=0).ask(answers(refusal("ExpiredToken"), "never"))


def test_credentials_that_ran_out_between_two_looks_are_no_failure_of_the_deployment() -> None:
    """It goes on: exit code 5, and the same command follows it."""
    assert isinstance(problem("stack x", refusal("ExpiredTokenException")), StillGoingError)
    assert not isinstance(problem("stack x", refusal("AccessDenied")), StillGoingError)


def test_a_refusal_is_passed_on() -> None:
    with pytest.raises(ClientError):
        Waiting(every_s=0).ask(answers(refusal("AccessDenied"), "never"))


def test_the_whole_is_bounded() -> None:
    waiting = Waiting(every_s=0, limit_s=120, clock=Clock())

    def for_ever() -> None:
        while True:
            waiting.pause()

    with pytest.raises(StillGoingError, match="not done after 2 minutes"):
        for_ever()


def test_another_thread_can_end_it() -> None:
    interrupt = threading.Event()
    waiting = Waiting(every_s=3600, interrupt=interrupt)
    interrupt.set()
    with pytest.raises(DetachedError):
        waiting.pause()
