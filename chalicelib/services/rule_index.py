"""The index of rules, kept equal to the store of rules, and what only time brings about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from chalicelib.domain.rules import Rule
from chalicelib.ports.alerts import Due, RuleIndex, RuleStore, StaleTopic, Timers
from chalicelib.protocol.envelopes import encode
from chalicelib.protocol.signals import RecheckMessage
from chalicelib.telemetry import metrics

log = structlog.get_logger()

PAGE = 500  # rules of the store
PAGE_OF_INDEX = 50  # rules of the index, each of which is looked up in the store
RULES_PER_MESSAGE = 100
STALE_TOPICS = 200  # looked at in one sweep; the others in the next


class KeepIndex:
    """Guarantees: after a flush of Redis the index is whole again before anything is evaluated, though the worker that
    was rebuilding it dies; a rule that it lost or kept too long is found within as many sweeps as there are pages.
    """

    def __init__(
        self, *, rules: RuleStore, index: RuleIndex, timers: Timers, now: Callable[[], datetime], budget_s: float = 8.0
    ) -> None:
        self._rules, self._index, self._timers, self._now = rules, index, timers, now
        self._budget = timedelta(seconds=budget_s)

    def rebuild(self) -> bool:
        """Index every rule of the store, from where it stopped, as far as the time goes. True when the index is whole.

        Raises StoreDownError.
        """
        until = self._now() + self._budget
        upto = self._index.progress()
        while upto is not None:
            page = self._rules.all(after=upto or None, limit=PAGE)
            self._index.put(page.rules)  # figures are lost with the index: the first of each touches all its rules
            upto = page.next
            self._index.rebuilt(upto)
            log.info("index_rebuilt", rules=len(page.rules), whole=upto is None)
            if self._now() > until:
                break
        return upto is None

    def sweep(self) -> int:
        """Compare a page of each with the other and mend what differs; have rules of stale topics looked at.

        Returns the number of rules mended. Raises StoreDownError.
        """
        if not self.rebuild():
            return 0
        mended = self._lost() + self._left_over()
        metrics.count("RulesMended", mended)
        for stale in self._index.overdue(STALE_TOPICS):
            self._tell(stale)
        return mended

    def _lost(self) -> int:
        """Rules of the store that the index lacks, or has in an older version."""
        page = self._rules.all(after=self._index.place("store") or None, limit=PAGE)
        lost = self._index.outdated(page.rules)
        if lost:
            log.warning("rules_lost", rules=[rule.id for rule in lost])
            self._index.put(lost)
            self._look_at(lost)
        self._index.go_on("store", page.next or "")
        return len(lost)

    def _left_over(self) -> int:
        """Rules of the index that are deleted."""
        ids, following = self._index.ids(cursor=int(self._index.place("index") or 0), limit=PAGE_OF_INDEX)
        rules = self._index.rules(ids)
        dead = [rule.id for rule in rules.values() if self._rules.find(rule.user, rule.id) is None]
        for rule_id in dead:
            log.warning("rule_left_over", rule=rule_id)
            self._index.remove(rule_id)
        self._index.go_on("index", str(following))
        return len(dead)

    def _look_at(self, rules: Sequence[Rule]) -> None:
        """What moved while they were not indexed is found by the newest figures."""
        cause = f"mended:{self._now().isoformat()}"
        self._put([RecheckMessage(rules=part, cause=cause) for part in _parts([rule.id for rule in rules])])

    def _tell(self, stale: StaleTopic) -> None:
        at = stale.seen + timedelta(seconds=stale.over_s)
        cause = f"stale:{stale.topic}:{stale.seen.isoformat()}:{stale.over_s}"
        self._put([RecheckMessage(rules=part, cause=cause, at=at) for part in _parts(stale.rules)])
        self._index.told(stale)

    def _put(self, messages: Sequence[RecheckMessage]) -> None:
        now = self._now()
        self._timers.put([Due(f"{each.cause}:{each.rules[0]}", "alerts", encode(each), now) for each in messages])


def _parts(ids: Sequence[str]) -> list[list[str]]:
    return [list(ids[start : start + RULES_PER_MESSAGE]) for start in range(0, len(ids), RULES_PER_MESSAGE)]
