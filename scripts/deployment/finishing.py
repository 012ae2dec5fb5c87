"""After a change: the smoke test, what it says in the record, and the old versions that nobody will go back to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scripts.deployment import records
from scripts.deployment.deploying import Deploying
from scripts.deployment.errors import SmokeFailedError
from scripts.deployment.options import Result
from scripts.deployment.smoking import firing, smoke_of
from scripts.smoke_checks import Check, Report

WITHIN_S = 60.0  # for an update: every function has its first call before it, some one after the other


class Finishing:
    """Of one deployment. ``seen`` is what a program is told of it all."""

    def __init__(self, deploying: Deploying, *, api_key: str | None = None, within_s: float = WITHIN_S) -> None:
        self._deploying = deploying
        self._api_key = api_key
        self._within_s = within_s
        self._fired_before: set[str] | None = None
        self.seen: dict[str, Any] = {}

    def look_before(self) -> None:
        """At the alarms that are on before anything is changed."""
        self._fired_before = firing(self._deploying.account.client, self._deploying.stack)

    def smoke(self, result: Result, on_check: Callable[[Check], None]) -> Report:
        """As a client. Raises SmokeFailedError, with the way back; the record says it too."""
        target, report = smoke_of(
            self._deploying.account.client,
            self._deploying.stack,
            on_check=on_check,
            api_key=self._api_key,
            within_s=self._within_s,
            fired_before=self._fired_before,
        )
        self.seen = {"ws_url": target.ws_url, "rest_url": target.rest_url, "smoke": asdict(report)}
        if result.record is not None:
            smoked = replace(result.record, smoke=records.GOOD if report.ok else records.BAD)
            self._deploying.artifacts.keep(smoked)
        if not report.ok:
            stage = self._deploying.stage
            not_run = f"; not run: {', '.join(report.not_run)}" if report.not_run else ""
            raise SmokeFailedError(
                f"the release is deployed and its smoke test failed at {report.checks[-1].name}: "
                f"{report.checks[-1].detail}{not_run}\nBack to the release before:  python -m scripts.rollback {stage}"
            )
        return report

    def prune(self) -> None:
        """Old versions of the functions. That it fails is told, and no reason to call the deployment failed."""
        history = self._deploying.artifacts.history(self._deploying.stage)
        try:
            gone = self._deploying.aliases().prune(history)
        except (BotoCoreError, ClientError) as error:
            self._deploying.console.step(f"old versions could not be deleted: {error}")
            return
        if gone:
            self._deploying.console.step(f"{len(gone)} old versions of functions deleted")
