"""From the queue ``alerts``: observations, timers and second looks, to what they make of the rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
import structlog

from chalicelib.domain.judging import Figures
from chalicelib.domain.observations import Observation
from chalicelib.domain.topics import PRIVATE_KINDS, kind_of
from chalicelib.errors import DefiStreamError, PoisonError
from chalicelib.ports import DeadLetters, Retries
from chalicelib.ports.alerts import Due, RuleIndex, Timers, Touched
from chalicelib.protocol.envelopes import ObservationMessage, decode_record, encode
from chalicelib.protocol.evaluation import decode_evaluation, figures_of, records_of
from chalicelib.protocol.signals import RecheckMessage, TimerMessage
from chalicelib.services.event_clock import EventClock
from chalicelib.services.judgement import JudgeRules, Moment
from chalicelib.services.process import MAX_AHEAD, Message
from chalicelib.services.rule_index import KeepIndex
from chalicelib.telemetry import metrics

log = structlog.get_logger()

AT_ONCE = 200  # rules that one move has judged before others have their turn
AT_ONCE_OF_USER = 100
AT_ONCE_OF_ALL = 1000  # that all moves of a turn have judged: some ten seconds, of the thirty that evaluate has
RULES_PER_MESSAGE = 100
MANY_OF_USER = 50  # handed on: then in messages of their own
BUSY_S = 1  # another worker has the topic: it will not be long
EARLY_RECEIVES = 5  # of a timer whose state is not written yet: then its writer has died, and will put it again


@dataclass(slots=True)
class EvaluateReport:
    """``failed``: the ids of messages that must come again, and after how many seconds."""

    failed: dict[str, int] = field(default_factory=dict)
    observations: int = 0
    touched: int = 0
    handed_on: int = 0


@dataclass(frozen=True, slots=True)
class _Item:
    seen: Observation
    message: Message


class EvaluateRules:
    """Judge the rules that observations touch.

    Guarantees: a topic's observations are judged in the order of their times, by one worker at a time, and one that is
    older than the newest judged is not; a message is reported as failed unless all that it touches has moved and was
    told, or was handed on to the same queue; one that says nothing is buried, with the reason; a move that touches
    many rules does not hold up those of others.
    """

    def __init__(
        self,
        *,
        index: RuleIndex,
        keeper: KeepIndex,
        judge: JudgeRules,
        timers: Timers,
        dead_letters: DeadLetters,
        retries: Retries,
        clock: EventClock,
        now: Callable[[], datetime],
    ) -> None:
        self._index, self._keeper, self._judge = index, keeper, judge
        self._timers, self._dead_letters, self._retries = timers, dead_letters, retries
        self._clock, self._now = clock, now

    def run(self, messages: Sequence[Message]) -> EvaluateReport:
        """Evaluate a batch. Raises nothing that one message causes: it is in ``report.failed``."""
        report = EvaluateReport()
        try:
            if self._keeper.rebuild():
                self._evaluate(messages, report)
            else:
                report.failed = {message.id: _delay_s(message) for message in messages}
        except DefiStreamError as error:
            log.error("evaluation_failed", error=error.name, reason=str(error), messages=len(messages))
            report.failed = {message.id: _delay_s(message) for message in messages}
        self._retries.soon({m.receipt: report.failed[m.id] for m in messages if m.id in report.failed and m.receipt})
        log.info(
            "rules_evaluated", observations=report.observations, touched=report.touched, handed_on=report.handed_on
        )
        return report

    def _evaluate(self, messages: Sequence[Message], report: EvaluateReport) -> None:
        items: list[_Item] = []
        published_ms: dict[str, int] = {}
        for message in messages:
            try:
                decoded = decode_evaluation(message.body)
            except PoisonError as error:
                self._bury(message, error, report)
                continue
            if isinstance(decoded, ObservationMessage):
                published_ms[message.id] = decoded.published_ms or message.sent_ms
                seen = list(self._observations(decoded))
                items += [_Item(each, message) for each in self._clock.hear(seen)]
            else:
                self._signal(decoded, message, report)
        report.observations = len(items)
        blocked: set[str] = set()
        for turn in _turns(items):
            # What follows on an observation that is not judged waits with it: once judged, it would be the newest.
            _fail(report, [item.message for item in turn if item.seen.topic in blocked], BUSY_S)
            blocked |= self._turn([item for item in turn if item.seen.topic not in blocked], report)
        self._measure([message for message in messages if message.id not in report.failed], published_ms)

    def _bury(self, message: Message, error: PoisonError, report: EvaluateReport) -> None:
        """No time cures it, and its queue hands a message out a thousand times before it gives it up."""
        log.error("message_undecodable", message_id=message.id, reason=str(error))
        metrics.count("PoisonRecords")
        try:
            self._dead_letters.bury(msgspec.json.encode(message.body), reason=str(error), message_id=message.id)
        except DefiStreamError:
            report.failed[message.id] = _delay_s(message)

    def _observations(self, envelope: ObservationMessage) -> Iterable[Observation]:
        """Those that rules may be about. A poisoned one is no concern of theirs: process buries it."""
        for raw in envelope.records:
            try:
                seen = decode_record(raw)
            except PoisonError as error:
                log.warning("record_ignored", reason=str(error))
                continue
            if kind_of(seen.topic) not in PRIVATE_KINDS and seen.observed_at <= self._now() + MAX_AHEAD:
                yield seen

    # --- observations ---

    def _turn(self, items: Sequence[_Item], report: EvaluateReport) -> set[str]:
        """One observation of each topic. Returns the topics of which it is not judged."""
        if not items:
            return set()
        selected = self._index.select([item.seen for item in items])
        by_topic = {item.seen.topic: item.message for item in items}
        topics = [touched.observation.topic for touched in selected.touched]
        try:
            self._judge_all(selected.touched, report)
            left = {*selected.busy, *self._index.advance(selected.touched)}
            _fail(report, [by_topic[topic] for topic in left], BUSY_S)
        except DefiStreamError as error:
            log.error("moves_not_judged", error=error.name, reason=str(error), topics=len(topics))
            left = {*selected.busy, *topics}
            report.failed |= {by_topic[topic].id: _delay_s(by_topic[topic]) for topic in left}
            self._index.give_up(topics)
        return left

    def _judge_all(self, touched: Sequence[Touched], report: EvaluateReport) -> None:
        moments: list[tuple[Moment, Sequence[str]]] = []
        rest: list[tuple[RecheckMessage, str]] = []
        topics = sum(bool(each.rules) for each in touched)
        most = max(1, min(AT_ONCE, AT_ONCE_OF_ALL // max(1, topics)))
        for each in touched:
            if each.rules:
                now, later = _fairly(each.rules, most)
                moments.append((_moment(each), now))
                rest += _handed_on(each, later)
                report.touched += len(each.rules)
                report.handed_on += len(later)
        at = self._now()
        self._timers.put([Due(_name(each), "alerts", encode(each), at, tenant) for each, tenant in rest])
        if moments:
            self._judge.at(moments)

    def _measure(self, messages: Sequence[Message], published_ms: Mapping[str, int]) -> None:
        now_ms = self._now().timestamp() * 1000
        for message in messages:
            if published_ms.get(message.id):
                metrics.record("PublishedToEvaluated", max(0, now_ms - published_ms[message.id]))

    # --- signals ---

    def _signal(self, signal: TimerMessage | RecheckMessage, message: Message, report: EvaluateReport) -> None:
        try:
            if isinstance(signal, TimerMessage):
                done = self._time_up(signal, message)
            else:
                self._judge.at([(self._looked_at(signal), signal.rules)])
                done = True
        except DefiStreamError as error:
            log.error("signal_failed", message_id=message.id, error=error.name, reason=str(error))
            done = False
        if not done:
            report.failed[message.id] = _delay_s(message)

    def _looked_at(self, recheck: RecheckMessage) -> Moment:
        if not recheck.moves or recheck.at is None:
            # Not the cause itself: by that id the change of a rule is known, after which it is to be judged.
            return Moment(cause=f"{recheck.cause} judged", at=recheck.at or self._clock())
        before, now = figures_of(recheck)
        return Moment(recheck.cause, recheck.at, recheck.topic, Figures(values=now, before=before), late=True)

    def _time_up(self, timer: TimerMessage, message: Message) -> bool:
        """False if it comes before its time or its state."""
        rule = self._index.rules([timer.rule]).get(timer.rule)
        if rule is None:
            return True
        if timer.due > self._clock():
            self._timers.put(
                [Due(f"{timer.rule}:{timer.version}", "alerts", encode(timer), self._clock.ours(timer.due))]
            )
            return True
        cause = f"due:{timer.rule}:{timer.version}"
        applied = self._judge.time_up(rule, cause, timer.due, timer.version)
        return applied.state.version >= timer.version or message.receives >= EARLY_RECEIVES


def _turns(items: Sequence[_Item]) -> Iterable[Sequence[_Item]]:
    """No topic twice in one: each topic's observations in the order of their times."""
    waiting: dict[str, list[_Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: (item.seen.observed_at, item.seen.id)):
        waiting[item.seen.topic].append(item)
    while waiting:
        yield [line.pop(0) for line in waiting.values()]
        waiting = defaultdict(list, {topic: line for topic, line in waiting.items() if line})


def _fairly(rules: Mapping[str, str], most: int) -> tuple[Sequence[str], Sequence[str]]:
    """Those to judge at once, ``most`` of them, one of each user in turn, and the rest in the same order."""
    if len(rules) <= min(most, AT_ONCE_OF_USER):
        return list(rules), ()
    places: dict[str, int] = defaultdict(int)
    ranked = []
    for rule_id, user in rules.items():
        ranked.append((places[user], rule_id))
        places[user] += 1
    ranked.sort(key=lambda one: one[0])
    first = [rule_id for place, rule_id in ranked[:most] if place < AT_ONCE_OF_USER]
    return first, [rule_id for _, rule_id in ranked[len(first) :]]


def _handed_on(touched: Touched, rules: Sequence[str]) -> Iterable[tuple[RecheckMessage, str]]:
    """The rest in messages, and whose they are: who has many has messages of their own, for others not to wait for."""
    seen = touched.observation
    moves = records_of({key: (move.before, move.now) for key, move in touched.moves.items()})
    by_user: dict[str, list[str]] = defaultdict(list)
    for rule_id in rules:
        by_user[touched.rules[rule_id]].append(rule_id)
    few = [rule_id for rule_id in rules if len(by_user[touched.rules[rule_id]]) < MANY_OF_USER]
    many = {user: own for user, own in by_user.items() if len(own) >= MANY_OF_USER}
    for tenant, own in {"": few, **many}.items():
        for start in range(0, len(own), RULES_PER_MESSAGE):
            part = own[start : start + RULES_PER_MESSAGE]
            yield RecheckMessage(part, cause=seen.id, topic=seen.topic, at=seen.observed_at, moves=moves), tenant


def _name(recheck: RecheckMessage) -> str:
    return f"{recheck.cause}:{recheck.rules[0]}"


def _moment(touched: Touched) -> Moment:
    now = {key: move.now for key, move in touched.moves.items() if move.now is not None}
    before = {key: move.before for key, move in touched.moves.items() if move.before is not None}
    seen = touched.observation
    return Moment(seen.id, seen.observed_at, seen.topic, Figures(values=now, before=before))


def _fail(report: EvaluateReport, messages: Iterable[Message], delay_s: int) -> None:
    for message in messages:
        report.failed[message.id] = delay_s


def _delay_s(message: Message) -> int:
    """1, 2, 4 … 60 seconds."""
    return min(60, 1 << min(message.receives - 1, 6))
