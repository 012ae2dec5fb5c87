"""ports.RuleStore on DynamoDB: a user's rules under ``user:{id}``, with a count that bounds them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from chalicelib.adapters.table import ConditionFailedError, Item, Table
from chalicelib.domain.alerts import AlertState
from chalicelib.domain.rules import Rule
from chalicelib.ports.alerts import RulePage
from chalicelib.protocol.rule_records import decode_rule, encode_rule, encode_state

_COUNT = "count"  # the sort key of a user's number of rules
_RULE = 0  # the place of the rule in a transaction, before that of the count
_NEVER_NEWER = 2**53 - 1  # the version of a rule that was deleted
_ENDED_S = 86_400  # so long the end of a deleted rule is known: no worker holds one that long


class DynamoRuleStore:
    """ports.RuleStore. A rule that is deleted leaves the end of its life behind for a day: a worker that has read the
    rule before would find one that never moved, and have it fire once more."""

    def __init__(self, table: Table, *, now: Callable[[], datetime]) -> None:
        self._table, self._now = table, now

    def create(self, rule: Rule, *, limit: int) -> bool:
        put = {"Put": {"Item": _item(rule), "ConditionExpression": "attribute_not_exists(pk)"}}
        below = "(attribute_not_exists(held) OR held < :limit) AND :limit > :none"
        count = self._count(rule.user, +1, below, {":limit": _number(limit), ":none": _number(0)})
        fresh = {"Delete": {"Key": _state_key(rule.id)}}  # of one that was made from the same seed, and deleted
        try:
            self._table.together(put, count, fresh)
        except ConditionFailedError as error:
            return error.place == _RULE
        return True

    def replace(self, rule: Rule) -> bool:
        try:
            self._table.put(_item(rule), condition="version = :before", values={":before": _number(rule.version - 1)})
        except ConditionFailedError:
            return False
        return True

    def find(self, user: str, rule_id: str) -> Rule | None:
        item = self._table.get(_key(user, rule_id))
        return None if item is None else _rule(item)

    def delete(self, user: str, rule_id: str) -> bool:
        rule = {"Delete": {"Key": _key(user, rule_id), "ConditionExpression": "attribute_exists(pk)"}}
        try:
            self._table.together(rule, self._count(user, -1, "attribute_exists(pk)", {}), self._end(rule_id))
        except ConditionFailedError:
            return False
        return True

    def of_user(self, user: str, *, after: str | None, limit: int) -> RulePage:
        values = {":pk": {"S": f"user:{user}"}, ":from": {"S": f"rule:{after or ''}"}, ":to": {"S": "rule;"}}
        # ":" is followed by ";": all keys that begin with "rule:". One more than asked for, and the one of ``after``.
        items = self._table.query("pk = :pk AND sk BETWEEN :from AND :to", values, consistent=True, Limit=limit + 2)
        rules = [rule for rule in map(_rule, items) if rule.id != after]
        page = rules[:limit]
        return RulePage(page, page[-1].id if len(rules) > limit else None)

    def all(self, *, after: str | None, limit: int) -> RulePage:
        start = None if not after else msgspec.json.decode(after)
        items, following = self._table.scan(start, limit=limit)
        rules = [_rule(item) for item in items if item["sk"]["S"].startswith("rule:")]
        return RulePage(rules, None if following is None else msgspec.json.encode(following).decode())

    def _end(self, rule_id: str) -> dict[str, Any]:
        ended = AlertState(rule=rule_id, phase="ended", version=_NEVER_NEWER, rule_version=_NEVER_NEWER)
        kept = {"version": _number(ended.version), "body": {"S": encode_state(ended).decode()}}
        forgotten = _number(int(self._now().timestamp()) + _ENDED_S)
        return {"Put": {"Item": {**_state_key(rule_id), **kept, "expires_at": forgotten}}}

    @staticmethod
    def _count(user: str, change: int, condition: str, values: Item) -> dict[str, Any]:
        return {
            "Update": {
                "Key": {"pk": {"S": f"user:{user}"}, "sk": {"S": _COUNT}},
                "UpdateExpression": "ADD held :change",
                "ConditionExpression": condition,
                "ExpressionAttributeValues": {":change": _number(change), **values},
            }
        }


def _key(user: str, rule_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"user:{user}"}, "sk": {"S": f"rule:{rule_id}"}}


def _state_key(rule_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"rule:{rule_id}"}, "sk": {"S": "state"}}


def _item(rule: Rule) -> dict[str, Any]:
    body = {"S": encode_rule(rule).decode()}
    return {**_key(rule.user, rule.id), "version": _number(rule.version), "body": body}


def _rule(item: Item) -> Rule:
    return decode_rule(item["body"]["S"])


def _number(number: int) -> dict[str, str]:
    return {"N": str(number)}
