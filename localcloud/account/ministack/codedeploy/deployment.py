"""One deployment of CodeDeploy: an alias moved from one version of its function to another, and back if need be.

Source: CodeDeploy User Guide, "AppSpec 'hooks' section for an AWS Lambda deployment", "Deployments on an AWS Lambda
compute platform", "Stop deployments with alarms". Two choices where it is silent: an alarm that is in ALARM already
stops the deployment at its start; and a hook whose function raises fails at once, where CodeDeploy would wait out its
hour. And one thing is otherwise: hooks are called one after the other, since each starts new versions, of which all at
once would each take as long as all of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

from localcloud.account.clock import Clock
from localcloud.account.ministack.codedeploy.traffic import Step

HOOK_MINUTES = 60  # that a hook may take to tell how it went


class Functions(Protocol):
    """What a deployment does to Lambda."""

    def route(self, function: str, alias: str, version: str, *, also: Mapping[str, float]) -> None:
        """Send the alias's invocations to ``version``, but for the shares ``also`` of other versions."""

    def version(self, function: str, alias: str) -> str:
        """The version that the alias points to."""

    def invoke(self, function: str, event: Mapping[str, Any]) -> str | None:
        """Invoke and wait; what went wrong, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to deploy, and how. ``alarms`` are names; hooks are functions' names or ARNs."""

    application: str
    group: str
    config: str
    function: str
    alias: str
    before: str
    after: str
    steps: Sequence[Step]
    alarms: Sequence[str] = ()
    before_hook: str | None = None
    after_hook: str | None = None


class _EndedError(Exception):
    """The deployment goes no further: its status and CodeDeploy's code for why."""

    def __init__(self, status: str, code: str, why: str) -> None:
        super().__init__(why)
        self.status, self.code = status, code


@dataclass(slots=True, kw_only=True)
class Deployment:
    """``run`` it once; everything else may be called from any thread meanwhile.

    Guarantees: however it ends, all of the alias's traffic goes to one version: the new one if ``status`` is
    Succeeded, else the one before. An alias that is not at the version before is left alone, and that is a failure.
    """

    plan: Plan
    clock: Clock
    functions: Functions
    alarm_state: Callable[[str], str | None]
    turn: threading.Lock = field(default_factory=threading.Lock)  # to call a hook: shared, they are called one by one
    id: str = field(default_factory=lambda: f"d-{uuid4().hex[:9].upper()}")
    status: str = "Created"
    code: str = ""
    reason: str = ""
    shifted_percent: int = 0
    created: float = field(default_factory=time.time)
    ended: float | None = None
    _stop: str = ""
    _wake: threading.Event = field(default_factory=threading.Event)
    _hooks: dict[str, str] = field(default_factory=dict)  # by execution: Pending, or what was put

    @property
    def succeeded(self) -> bool:
        return self.status == "Succeeded"

    def run(self) -> None:
        """Until the traffic has moved, or is back where it was."""
        self.status = "InProgress"
        now = self.functions.version(self.plan.function, self.plan.alias)
        if now != self.plan.before:
            self.status, self.code = "Failed", "INVALID_REVISION"
            self.reason = f"{self.plan.alias} is at version {now}, not at {self.plan.before}: somebody has moved it"
            self.ended = time.time()
            return
        try:
            self._check()
            self._hook("BeforeAllowTraffic", self.plan.before_hook)
            for step in self.plan.steps:
                self._route(step.percent)
                self._wait(self.clock.seconds(step.minutes))
            self._route(100)
            self._hook("AfterAllowTraffic", self.plan.after_hook)
            self.status = "Succeeded"
        except _EndedError as ended:
            self._back(ended.status, ended.code, str(ended))
        except Exception as error:  # noqa: BLE001 - whatever it is, the alias must not stay between two versions
            self._back("Failed", "INTERNAL_ERROR", str(error))
        finally:
            self.ended = time.time()

    def stop(self, why: str) -> None:
        """End it and send the traffic back, unless it is over."""
        self._stop = self._stop or why
        self._wake.set()

    def put_hook_status(self, execution: str, status: str) -> bool:
        """What a hook says of how it went; False if none of this deployment has that execution under way."""
        if self._hooks.get(execution) != "Pending":
            return False
        self._hooks[execution] = status
        self._wake.set()
        return True

    def _route(self, percent: int) -> None:
        if percent == 100:
            self.functions.route(self.plan.function, self.plan.alias, self.plan.after, also={})
        else:
            share = {self.plan.after: percent / 100}
            self.functions.route(self.plan.function, self.plan.alias, self.plan.before, also=share)
        self.shifted_percent = percent

    def _back(self, status: str, code: str, why: str) -> None:
        self.functions.route(self.plan.function, self.plan.alias, self.plan.before, also={})
        self.status, self.code, self.reason, self.shifted_percent = status, code, why, 0

    def _hook(self, event: str, function: str | None) -> None:
        if function is None:
            return
        execution = uuid4().hex
        self._hooks[execution] = "Pending"
        with self.turn:
            self._check()
            problem = self.functions.invoke(
                function, {"DeploymentId": self.id, "LifecycleEventHookExecutionId": execution}
            )
        if problem is not None and self._hooks[execution] == "Pending":
            raise _EndedError("Failed", "HOOK_FAILED", f"{event}: {function} failed: {problem}")
        self._wait(self.clock.seconds(HOOK_MINUTES), until=lambda: self._hooks[execution] != "Pending")
        said = self._hooks[execution]
        if said == "Pending":
            raise _EndedError("Failed", "TIMEOUT", f"{event}: {function} did not tell how it went")
        if said != "Succeeded":
            raise _EndedError("Failed", "HOOK_FAILED", f"{event}: {function} says {said}")

    def _wait(self, seconds: float, *, until: Callable[[], bool] = lambda: False) -> None:
        deadline = time.monotonic() + seconds
        while not until() and (left := deadline - time.monotonic()) > 0:
            self._wake.wait(min(left, self.clock.poll_s))
            self._wake.clear()
            self._check()

    def _check(self) -> None:
        if self._stop:
            raise _EndedError("Stopped", "MANUAL_STOP", self._stop)
        for name in self.plan.alarms:
            if self.alarm_state(name) == "ALARM":
                raise _EndedError("Stopped", "ALARM_ACTIVE", f"alarm {name} is in ALARM")
