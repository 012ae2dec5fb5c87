"""Whether new versions of functions may get traffic."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog

from chalicelib.errors import StoreDownError, TemporaryError
from chalicelib.ports import Deployments, Functions, FunctionVersion, Invoked
from chalicelib.services.expectations import AFTER_DISCONNECT, TRIALS, Trial

LIVE = "live"
WITHIN_S = 8.0  # what a client waits for is cut off after 10 s; a cold start is in it
WAITED_FOR = frozenset({"authorize", "connect", "message", "disconnect", "api"})
PAUSE_S = 5.0
TRIES = 14  # a poll that runs may keep its function's only place for 55 s

log = structlog.get_logger()


class VerifyRelease:
    """Call each version that a deployment brings in with recorded events, and look at what it answers.

    Guarantees: the very version is called, since the alias still leads to the old one; nothing that clients see is
    changed by it (chalicelib.services.expectations); a function that nothing is recorded for does not pass.
    """

    def __init__(
        self,
        *,
        deployments: Deployments,
        functions: Functions,
        recorded: Callable[[str], Mapping[str, Any]],
        name_prefix: str,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deployments = deployments
        self._functions = functions
        self._recorded = recorded
        self._name_prefix = name_prefix
        self._sleep = sleep
        self._monotonic = monotonic

    def run(self, deployment: str, *, deadline: float) -> list[str]:
        """What is wrong, one sentence each; nothing if all is well.

        No call begins after ``deadline`` (by ``monotonic``). Raises StoreDownError if the deployment cannot be read.
        """
        targets = self._deployments.shifting_to(deployment)
        if not targets:
            return [f"deployment {deployment} names no version"]
        return [problem for target in targets for problem in self._problems(target, deadline)]

    def _problems(self, target: FunctionVersion, deadline: float) -> Iterator[str]:
        name = target.function.removeprefix(self._name_prefix)
        trials: Sequence[Trial] = TRIALS.get(name, ())
        if not trials:
            yield f"no event is recorded for {name}"
        if name in AFTER_DISCONNECT:
            self._end_the_connection()
        for trial in trials:
            problem = self._problem(name, target, trial, deadline)
            log.info("version_tried", tried=name, target=target.version, recorded=trial.event, reason=problem)
            if problem:
                yield f"{name}:{target.version}, {trial.event}: {problem}"

    def _end_the_connection(self) -> None:
        """By the version that serves. Should that fail, the worst is a session that ends by itself."""
        try:
            self._functions.invoke(f"{self._name_prefix}disconnect", LIVE, self._recorded("disconnect"))
        except TemporaryError as error:
            log.warning("connection_not_ended", reason=str(error))

    def _problem(self, name: str, target: FunctionVersion, trial: Trial, deadline: float) -> str | None:
        try:
            answer = self._answer(target, trial, deadline)
        except TemporaryError as error:
            return str(error)
        if not _holds(trial, answer):
            return f"expected {trial.wanted}, got {_told(answer)}"
        if name in WAITED_FOR and answer.took_s > WITHIN_S:
            return f"answered after {answer.took_s:.1f} s; clients wait for it, {WITHIN_S:.0f} s are the most"
        return None

    def _answer(self, target: FunctionVersion, trial: Trial, deadline: float) -> Invoked:
        """Tries again while the version cannot be called. Raises TemporaryError if it never could."""
        event, tries = self._recorded(trial.event), 1
        while self._monotonic() < deadline:
            try:
                return self._functions.invoke(target.function, target.version, event)
            except StoreDownError as error:
                if tries == TRIES:
                    raise
                log.warning("version_not_called", tried=target.function, reason=str(error))
            tries += 1
            self._sleep(PAUSE_S)
        raise TemporaryError("no time was left to try it")


def _holds(trial: Trial, answer: Invoked) -> bool:
    try:
        return trial.holds(answer)
    except (LookupError, TypeError, AttributeError, ValueError):
        return False  # an answer of another shape


def _told(answer: Invoked) -> str:
    """The error of what failed. An answer is not told: it may hold a token."""
    if not answer.failed or not isinstance(answer.payload, dict):
        return "another answer"
    return f"{answer.payload.get('errorType')}: {answer.payload.get('errorMessage')!s:.200}"
