"""ports.AlertStates on DynamoDB: a rule's state under ``rule:{id}``, its history in the table of deliveries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.adapters.table import ConditionFailedError, Item, Table
from chalicelib.domain.alerts import Alert, AlertState
from chalicelib.ports.alerts import Kept
from chalicelib.protocol.rule_records import decode_alert, decode_state, encode_alert, encode_state

HISTORY_S = 90 * 86_400
_SAME = "version = :before"
_SAME_OR_NONE = "attribute_not_exists(pk)"


class DynamoAlertStates:
    """ports.AlertStates. A transition and what it tells are written together."""

    def __init__(self, table: Table, deliveries: Table) -> None:
        self._table, self._deliveries = table, deliveries

    def load(self, rule_ids: Sequence[str]) -> Mapping[str, Kept]:
        items = self._table.find([_key(rule_id) for rule_id in dict.fromkeys(rule_ids)])
        found = {item["pk"]["S"].removeprefix("rule:"): _kept(item) for item in items}
        return {rule_id: found.get(rule_id) or Kept(AlertState(rule=rule_id)) for rule_id in rule_ids}

    def move(self, before: AlertState, after: AlertState, unsaid: Sequence[Alert], *, new: Sequence[Alert]) -> bool:
        write: dict[str, Any] = {"Item": _item(after, unsaid), "ConditionExpression": _SAME_OR_NONE}
        if before.version:
            values = {":before": {"N": str(before.version)}}
            write |= {"ConditionExpression": _SAME, "ExpressionAttributeValues": values}
        history = [{"Put": {"TableName": self._deliveries.name, "Item": _row(alert)}} for alert in new]
        try:
            self._table.together({"Put": write}, *history)
        except ConditionFailedError:
            return False
        return True

    def said(self, state: AlertState) -> None:
        try:
            self._table.update(
                _key(state.rule), "REMOVE unsaid", condition=_SAME, values={":before": {"N": str(state.version)}}
            )
        except ConditionFailedError:
            return

    def history(self, rule_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Alert], str | None]:
        condition, values = "endpoint = :rule", {":rule": {"S": f"rule:{rule_id}"}}
        if after:
            condition, values = f"{condition} AND attempt < :after", {**values, ":after": {"S": after}}
        items = self._deliveries.query(condition, values, ScanIndexForward=False, Limit=limit + 1)
        page = [decode_alert(item["alert"]["S"]) for item in items[:limit]]
        return page, items[limit - 1]["attempt"]["S"] if len(items) > limit else None


# When several happen at one time, this is the order in which they did.
_ORDER = {"firing": 1, "acknowledged": 2, "resolved": 3}


def _key(rule_id: str) -> dict[str, Any]:
    return {"pk": {"S": f"rule:{rule_id}"}, "sk": {"S": "state"}}


def _item(state: AlertState, unsaid: Sequence[Alert]) -> dict[str, Any]:
    item = {
        **_key(state.rule),
        "version": {"N": str(state.version)},
        "body": {"S": encode_state(state).decode()},
    }
    if unsaid:
        item["unsaid"] = {"L": [{"S": encode_alert(alert).decode()} for alert in unsaid]}
    return item


def _kept(item: Item) -> Kept:
    unsaid = [decode_alert(alert["S"]) for alert in item.get("unsaid", {"L": []})["L"]]
    return Kept(decode_state(item["body"]["S"]), unsaid)


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "endpoint": {"S": f"rule:{alert.rule}"},
        "attempt": {"S": f"{_sortable(alert.at)}#{_ORDER[alert.state]}#{alert.id}"},
        "alert": {"S": encode_alert(alert).decode()},
        "expires_at": {"N": str(int(alert.at.timestamp()) + HISTORY_S)},
    }


def _sortable(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"
