"""Rules judged by figures: what a move, a timer or a second look makes of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.alerts import Judged, TimeUp
from chalicelib.domain.judging import Figures, judge, told
from chalicelib.domain.rules import Compared, FigureKey, Rule, leaves, topics_of
from chalicelib.ports.alerts import RuleIndex
from chalicelib.services.lifecycle import Applied, Lifecycle, again
from chalicelib.telemetry import metrics

LOOKS = 3  # after a transition, until the newest figures agree with it

NOTHING = Figures()

Looked = Judged | TimeUp


@dataclass(frozen=True, slots=True)
class Moment:
    """Something happened at a time: an observation, whose ``figures`` say what moved and from where; or nothing moved,
    and the newest figures are looked at. ``late``: others may have moved the rules since."""

    cause: str
    at: datetime
    topic: str = ""
    figures: Figures = NOTHING
    late: bool = False


class JudgeRules:
    """Guarantees: whatever happens at the same time, the newest figures have the last word on a rule, and no alert is
    ended or begun by older ones than what began or ended it.

    An observation's figures are the newest before any rule is judged by them, and they are read after the state that
    they are to move; a rule that was moved by figures that another worker may have replaced meanwhile is judged again
    after its state was written. So of two workers the later one sees both.
    """

    def __init__(self, *, index: RuleIndex, life: Lifecycle) -> None:
        self._index, self._life = index, life

    def at(self, moments: Sequence[tuple[Moment, Sequence[str]]]) -> None:
        """Judge the rules with these ids, in the order of the moments. Raises StoreDownError."""
        rules = self._index.rules(list(dict.fromkeys(rule_id for _, ids in moments for rule_id in ids)))
        for wave in _waves(moments, rules):
            for late in (False, True):
                self._judge([(moment, rule) for moment, rule in wave if moment.late is late], late=late)

    def time_up(self, rule: Rule, cause: str, due: datetime, version: int) -> Applied:
        """A state's time has come. Raises StoreDownError."""

        def event(rules: Sequence[Rule], figures: Figures) -> Mapping[str, Looked]:
            seen = _judged(rule, figures, Moment(cause, due))
            time_up = TimeUp(
                id=cause,
                at=due,
                version=version,
                holds=seen.holds,
                lingers=seen.lingers,
                topic=seen.topic,
                value=seen.value,
            )
            return {rule.id: time_up}

        events, applied = self._apply([rule], event)
        self._look_again([rule], events, applied)
        return applied[rule.id]

    def _judge(self, wave: Sequence[tuple[Moment, Rule]], *, late: bool) -> None:
        """No rule twice."""
        moments = {rule.id: moment for moment, rule in wave}

        def judged(rules: Sequence[Rule], figures: Figures) -> Mapping[str, Looked]:
            merged = {id(moment): _with(figures, moment) for moment in moments.values()}
            return {rule.id: _judged(rule, merged[id(moments[rule.id])], moments[rule.id]) for rule in rules}

        if wave:
            moved = {moment.topic for moment in moments.values()}
            events, applied = self._apply([rule for _, rule in wave], judged, moved=moved, late=late)
            unsure = [rule for moment, rule in wave if late or not moment.topic or len(topics_of(rule)) > 1]
            self._look_again(unsure, events, applied, whatever=late)

    def _look_again(
        self,
        rules: Sequence[Rule],
        events: Mapping[str, Looked],
        applied: Mapping[str, Applied],
        *,
        whatever: bool = False,
    ) -> None:
        """Those that moved (``whatever``: all) by the newest figures, until these move none of them."""
        for number in range(1, LOOKS + 1):
            rules = [rule for rule in rules if whatever or applied[rule.id].moved]
            if not rules:
                return
            events, applied = self._apply(rules, _second_look(events, number))
            whatever = False

    def _apply(
        self,
        rules: Sequence[Rule],
        judged: Callable[[Sequence[Rule], Figures], Mapping[str, Looked]],
        *,
        moved: Set[str] = frozenset(),
        late: bool = False,
    ) -> tuple[Mapping[str, Looked], Mapping[str, Applied]]:
        """By rule, the events and what they made of it."""
        events: dict[str, Looked] = {}

        def now(asked: Sequence[Rule]) -> Mapping[str, Looked]:
            events.update(judged(asked, self._newest(asked, moved)))
            return events

        metrics.count("RulesEvaluated", len(rules))
        applied = self._life.apply_all(rules, now, late=late)
        ended = [rule for rule in rules if applied[rule.id].has_ended(rule)]
        if ended:
            self._index.retire(ended)
        return events, applied

    def _newest(self, rules: Iterable[Rule], moved: Set[str]) -> Figures:
        """What the rules compare, but of topics that all of a rule's figures come from."""
        keys: dict[FigureKey, None] = {}
        topics: dict[str, None] = {}
        for rule in rules:
            named = topics_of(rule)
            if len(named) == 1 and named[0] in moved:
                continue
            topics.update(dict.fromkeys(named))
            keys.update({leaf.figure: None for leaf in leaves(rule.when) if isinstance(leaf, Compared)})
        return self._index.figures(list(keys), list(topics))


def _waves(
    moments: Sequence[tuple[Moment, Sequence[str]]], rules: Mapping[str, Rule]
) -> Iterable[Sequence[tuple[Moment, Rule]]]:
    """No rule twice in one: each rule's moments in their order."""
    waves: list[list[tuple[Moment, Rule]]] = []
    times: dict[str, int] = {}
    for moment, ids in sorted(moments, key=lambda one: one[0].at):
        for rule_id in ids:
            if rule_id in rules:
                wave = times.get(rule_id, 0)
                times[rule_id] = wave + 1
                if wave == len(waves):
                    waves.append([])
                waves[wave].append((moment, rules[rule_id]))
    return waves


def _with(newest: Figures, moment: Moment) -> Figures:
    """The newest of all topics but that which moved: of it what it was and is by this observation."""
    if not moment.topic:
        return newest
    others = {key: figure for key, figure in newest.values.items() if key[0] != moment.topic}
    return Figures(
        values={**others, **moment.figures.values},
        seen={**newest.seen, moment.topic: moment.at},
        before=moment.figures.before,
    )


def _judged(rule: Rule, figures: Figures, moment: Moment) -> Judged:
    verdict = judge(rule.when, figures, moment.at)
    topic = moment.topic or _told_topic(rule, figures)
    return Judged(
        id=moment.cause,
        at=moment.at,
        holds=verdict.holds,
        lingers=verdict.lingers,
        topic=topic,
        value=told(rule.when, figures, topic),
    )


def _told_topic(rule: Rule, figures: Figures) -> str:
    """Of those whose figure is known, the first that the rule names."""
    topics = topics_of(rule)
    return next((topic for topic in topics if told(rule.when, figures, topic) is not None), topics[0])


def _second_look(
    events: Mapping[str, Looked], number: int
) -> Callable[[Sequence[Rule], Figures], Mapping[str, Looked]]:
    def judged(rules: Sequence[Rule], figures: Figures) -> Mapping[str, Looked]:
        return {rule.id: _judged(rule, figures, _later(rule, events[rule.id], figures, number)) for rule in rules}

    return judged


def _later(rule: Rule, event: Looked, figures: Figures, number: int) -> Moment:
    seen = [figures.seen[topic] for topic in topics_of(rule) if topic in figures.seen]
    return Moment(cause=again(event.id, number), at=max([event.at, *seen]))
