"""The smoke test of a deployed stage, with the stage's addresses and alarms from its stack."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from scripts.deployment.addresses import alarms_of, target_of
from scripts.deployment.errors import StackError
from scripts.deployment.stack import Stack
from scripts.smoke_checks import FIRES, Check, Report, Smoke, Target

Client = Callable[[str], Any]


def smoke_of(
    client: Client,
    stack: Stack,
    *,
    on_check: Callable[[Check], None],
    within_s: float,
    api_key: str | None = None,
    fired_before: Collection[str] | None = (),
) -> tuple[Target, Report]:
    """What it was run on, and how it went. Raises StackError if the stack cannot be asked for its addresses.

    Alarms that ``fired_before`` are told and not counted, since what is tested now did not cause them; None is all of
    them: of a new stage some say rightly that nothing has happened there yet.
    """
    try:
        target = target_of(client, stack, api_key=api_key, within_s=within_s)
        alarms = alarms_of(stack)
    except (BotoCoreError, ClientError) as error:
        raise StackError(f"stack {stack.name}: {error}") from error

    def states() -> dict[str, str]:
        found = states_of(client("cloudwatch"), alarms)
        excused = alarms if fired_before is None else fired_before
        return {name: _told(state, name in excused) for name, state in found.items()}

    smoke = Smoke(
        target,
        sns=client("sns"),
        sqs=client("sqs"),
        alarms=states,
        on_check=on_check,
    )
    return target, asyncio.run(smoke.run())


def firing(client: Client, stack: Stack) -> set[str] | None:
    """Logical ids of the stage's alarms that are on; None if there is no stage yet."""
    if stack.state() is None:
        return None
    states = states_of(client("cloudwatch"), alarms_of(stack))
    return {name for name, state in states.items() if state == FIRES}


def _told(state: str, excused: bool) -> str:
    return "in ALARM since before" if excused and state == FIRES else state


def states_of(cloudwatch: Any, alarms: Mapping[str, str]) -> dict[str, str]:
    """The state of each alarm by its logical id; ``UNKNOWN`` of one that CloudWatch does not know."""
    names = list(alarms.values())
    if not names:
        return {}
    listed = cloudwatch.describe_alarms(AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    found = [*listed.get("MetricAlarms", []), *listed.get("CompositeAlarms", [])]
    states = {one["AlarmName"]: one["StateValue"] for one in found}
    return {logical_id: states.get(name, "UNKNOWN") for logical_id, name in alarms.items()}
