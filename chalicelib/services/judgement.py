"""Rules judged by figures: what a move, a timer or a second look makes of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    """Guarantees: whatever happens at the same time, the newest figures have the last word on a rule.

    Figures are the newest before any rule is judged by them, and a rule that was moved by figures that another worker
    may have replaced meanwhile is judged again after its state was written. So of two workers the later one sees both.
    """

    def __init__(self, *, index: RuleIndex, life: Lifecycle) -> None:
        self._index, self._life = index, life

    def at(self, moments: Sequence[tuple[Moment, Sequence[str]]]) -> None:
        """Judge the rules with these ids, in the order of the moments. Raises StoreDownError."""
        rules = self._index.rules(list(dict.fromkeys(rule_id for _, ids in moments for rule_id in ids)))
        newest = self._newest(rules.values(), moved={moment.topic for moment, _ in moments if moment.topic})
        for wave in _waves(moments, rules):
            self._judge(wave, newest)

    def time_up(self, rule: Rule, cause: str, due: datetime, version: int) -> Applied:
        """A state's time has come. Raises StoreDownError."""
        figures = self._newest([rule])
        verdict = judge(rule.when, figures, due)
        topic = _told_topic(rule, figures)
        event = TimeUp(
            id=cause,
            at=due,
            version=version,
            holds=verdict.holds,
            lingers=verdict.lingers,
            topic=topic,
            value=told(rule.when, figures, topic),
        )
        applied = self._apply([(rule, event)], late=False)
        self._look_again([(rule, event)], applied)
        return applied[rule.id]

    def _judge(self, wave: Sequence[tuple[Moment, Rule]], newest: Figures) -> None:
        merged = {id(moment): _with(newest, moment) for moment, _ in wave}
        for late in (False, True):
            mine = [(moment, rule) for moment, rule in wave if moment.late is late]
            events = [(rule, _judged(rule, merged[id(moment)], moment)) for moment, rule in mine]
            if events:
                applied = self._apply(events, late=late)
                unsure = [
                    (rule, event)
                    for (moment, rule), (_, event) in zip(mine, events, strict=True)
                    if moment.late or not moment.topic or len(topics_of(rule)) > 1
                ]
                self._look_again(unsure, applied, whatever=late)

    def _look_again(
        self, looked: Sequence[tuple[Rule, Looked]], applied: Mapping[str, Applied], *, whatever: bool = False
    ) -> None:
        """Those that moved (``whatever``: all) by the newest figures, until these move none of them."""
        for number in range(1, LOOKS + 1):
            moved = [(rule, event) for rule, event in looked if whatever or applied[rule.id].moved]
            if not moved:
                return
            figures = self._newest([rule for rule, _ in moved])
            looked = [(rule, _judged(rule, figures, _later(rule, event, figures, number))) for rule, event in moved]
            applied, whatever = self._apply(looked, late=False), False

    def _apply(self, events: Sequence[tuple[Rule, Looked]], *, late: bool) -> Mapping[str, Applied]:
        metrics.count("RulesEvaluated", len(events))
        applied = self._life.apply_all(events, late=late)
        ended = [rule for rule, _ in events if applied[rule.id].has_ended(rule)]
        if ended:
            self._index.retire(ended)
        return applied

    def _newest(self, rules: Iterable[Rule], moved: frozenset[str] | set[str] = frozenset()) -> Figures:
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


def _later(rule: Rule, event: Looked, figures: Figures, number: int) -> Moment:
    seen = [figures.seen[topic] for topic in topics_of(rule) if topic in figures.seen]
    return Moment(cause=again(event.id, number), at=max([event.at, *seen]))
