"""What events make of rules' states, and what of that is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from chalicelib.domain.alert_life import step
from chalicelib.domain.alerts import Alert, AlertState, Event, Moved
from chalicelib.domain.rules import Rule
from chalicelib.errors import StoreDownError
from chalicelib.ports.alerts import AlertStates, AlertStream, Due, Kept, Timers
from chalicelib.protocol.envelopes import encode
from chalicelib.protocol.evaluation import notification_of
from chalicelib.protocol.signals import TimerMessage
from chalicelib.services.event_clock import EventClock
from chalicelib.services.together import together
from chalicelib.telemetry import metrics

log = structlog.get_logger()

TRIES = 5  # of a transition that another one came before
LOGGED_MOVES = 100  # named in an invocation's line: some 8 KB
AGAIN = " again "  # between an event's id and a number: what was judged a second time because of it


@dataclass(frozen=True, slots=True)
class Applied:
    """What an event made of a rule: its state now, and whether it is this event's doing, now or when it came before."""

    state: AlertState
    moved: bool

    def has_ended(self, rule: Rule) -> bool:
        """True if nothing will ever move this version of the rule again."""
        return self.state.phase == "ended" and self.state.rule_version == rule.version


class Lifecycle:
    """Guarantees: an event makes one transition however often it comes; what a transition tells is told at least once,
    under the same ids, before the next is told; no state waits for a timer that was not put.

    In this order: the timer (one for a state that never comes to be is ignored), the state with what it leaves unsaid,
    the telling, the note that it was said. Whoever finds something unsaid says it.
    """

    def __init__(
        self,
        *,
        states: AlertStates,
        timers: Timers,
        stream: AlertStream,
        clock: EventClock,
        now: Callable[[], datetime],
    ) -> None:
        self._states, self._timers, self._stream = states, timers, stream
        self._clock, self._now = clock, now

    def apply(self, rule: Rule, event: Event) -> bool:
        """True if the rule has moved. Raises StoreDownError, after which the same event may be applied again."""
        return self.apply_all([rule], lambda _: {rule.id: event})[rule.id].moved

    def apply_all(
        self, rules: Sequence[Rule], judge: Callable[[Sequence[Rule]], Mapping[str, Event]], *, late: bool = False
    ) -> Mapping[str, Applied]:
        """An event for each of several rules, none twice; by rule. What comes ``late`` moves no rule that has moved
        since. Raises StoreDownError.

        ``judge`` says what the events are after the states were read, and again for rules that others moved meanwhile:
        so none is moved on by figures that are older than its state.
        """
        todo = {rule.id: rule for rule in rules}
        unsaid: list[tuple[Rule, Kept]] = []
        applied: dict[str, Applied] = {}
        for _ in range(TRIES):
            kept = self._states.load(list(todo))
            events = judge(list(todo.values()))
            steps = {name: _step(rule, kept[name].state, events[name], late) for name, rule in todo.items()}
            self._timers.put([due for name, moved in steps.items() for due in self._timer(todo[name], moved)])
            moves = together(self._move, [(kept[name], moved) for name, moved in steps.items()])
            for name, after in zip(steps, moves, strict=True):
                if after is not None:
                    applied[name] = Applied(after.state, _is_doing_of(events[name], after.state))
                    unsaid += [(todo[name], after)] if after.unsaid else []
                    del todo[name]
            if not todo:
                break
        _tell(
            [one.state for one in applied.values() if one.moved], [alert for _, kept in unsaid for alert in kept.unsaid]
        )
        self._say(unsaid)
        if todo:
            raise StoreDownError(f"{len(todo)} rules are being moved by others")
        return applied

    def _move(self, step: tuple[Kept, Moved | None]) -> Kept | None:
        """What is kept now; None if another transition came before this one."""
        kept, moved = step
        if moved is None:
            return kept
        unsaid = [*kept.unsaid, *moved.alerts]
        if not self._states.move(kept.state, moved.state, unsaid, new=moved.alerts):
            return None
        metrics.count("AlertTransitions")
        metrics.count("AlertsFired", sum(alert.state == "firing" for alert in moved.alerts))
        return Kept(moved.state, unsaid)

    def _timer(self, rule: Rule, moved: Moved | None) -> Sequence[Due]:
        if moved is None or moved.state.due is None:
            return ()
        due, version = moved.state.due, moved.state.version
        body = encode(TimerMessage(rule=rule.id, user=rule.user, version=version, due=due))
        return [Due(f"{rule.id}:{version}:{due.isoformat()}", "alerts", body, self._clock.ours(due))]

    def _say(self, unsaid: Sequence[tuple[Rule, Kept]]) -> None:
        """A rule that is muted tells nobody: what it would have told is in its history."""
        loud = [(rule, alert) for rule, kept in unsaid for alert in kept.unsaid if not alert.muted]
        on_socket = [alert for rule, alert in loud if any(each.channel == "socket" for each in rule.notify)]
        if on_socket:
            self._stream.publish(on_socket)
        self._timers.put([due for rule, alert in loud for due in self._notifications(rule, alert)])
        together(self._states.said, [kept.state for _, kept in unsaid])

    def _notifications(self, rule: Rule, alert: Alert) -> Sequence[Due]:
        """Only firing waits for its escalation; the rest is for those who were told of that."""
        found = []
        for each in rule.notify:
            if each.channel != "socket":
                message = notification_of(alert, each)
                at = self._now() + timedelta(seconds=each.after_s if alert.state == "firing" else 0)
                found.append(Due(id=message.id, queue="notifications", body=encode(message), at=at, tenant=rule.user))
        return found


def _tell(moved: Sequence[AlertState], alerts: Sequence[Alert]) -> None:
    """One line for all of a batch."""
    if moved:
        named = [f"{state.rule}@{state.version} {state.phase}" for state in moved[:LOGGED_MOVES]]
        said = [f"{alert.id} {alert.state}" for alert in alerts[:LOGGED_MOVES]]
        log.info("rules_moved", count=len(moved), rules=named, alerts=said)


def _step(rule: Rule, state: AlertState, event: Event, late: bool) -> Moved | None:
    if _is_doing_of(event, state) or (late and state.since is not None and event.at < state.since):
        return None
    return step(rule, state, event)


def _is_doing_of(event: Event, state: AlertState) -> bool:
    """Whether the last transition is this event's, or of what was judged again because of it."""
    return state.cause == event.id or state.cause.startswith(event.id + AGAIN)


def again(event_id: str, number: int) -> str:
    """The id of the ``number``-th judgement that an event gave rise to."""
    return f"{event_id.partition(AGAIN)[0]}{AGAIN}{number}"
