"""DynamoDB, on AWS and on a laptop by the same calls: backups and point-in-time recovery, into tables of another name.

A restored table cannot take the name of one that is there, and functions know theirs from the stack. So what was
restored is put into the table that serves; where that is gone, it is restored once more under its name.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from scripts.backups.census import Census, Collection, Tally, of_seconds
from scripts.backups.store import Candidate, Kept
from scripts.deployment.errors import StackError
from scripts.deployment.waiting import Waiting

Item = Mapping[str, Any]
_PAGE = 25  # the most that one BatchWriteItem takes
_GONE = "ResourceNotFoundException"
_ITSELF = ""  # a table, among its indexes


class DynamoTables:
    """store.Store of some tables. ``exact`` says whether the account really goes back to any second."""

    name = "dynamodb"

    def __init__(self, client: Any, tables: Sequence[str], *, exact: bool, waiting: Waiting | None = None) -> None:
        self._client = client
        self._tables = list(tables)
        self._exact = exact
        self._waiting = waiting or Waiting()

    def back_up(self, backup: str) -> Kept:
        """Each table is of a moment of its own, within the seconds that this takes. A table is counted before and
        after: what was written between the two may or may not be in its backup, and then its count proves nothing.
        """
        moment = datetime.now(UTC).isoformat()
        where: dict[str, Any] = {}
        census, uncounted = {}, []
        for table in self._tables:
            before = self.counted(table)
            made = self._client.create_backup(TableName=table, BackupName=_name(backup, table))
            where[table] = {"backup": made["BackupDetails"]["BackupArn"], "settings": self._settings(table)}
            if self.counted(table) == before:
                census[table] = before
            else:
                uncounted.append(table)
        for kept in where.values():
            self._until(lambda kept=kept: self._is_there(kept["backup"]))  # type: ignore[misc]
        return Kept(store=self.name, moment=moment, where=where, census=census, uncounted=tuple(uncounted))

    def at(self, moment: datetime) -> Kept | None:
        """Raises StackError for a moment from which recovery is not possible."""
        if not self._exact:
            return None
        where = {}
        for table in self._tables:
            told = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
            window = told.get("PointInTimeRecoveryDescription", {})
            first, last = window.get("EarliestRestorableDateTime"), window.get("LatestRestorableDateTime")
            if not (first and last and first <= moment <= last):
                raise StackError(f"table {table} can be brought back from {first} to {last}, not as of {moment}")
            where[table] = {"moment": moment.isoformat(), "settings": self._settings(table)}
        return Kept(store=self.name, moment=moment.isoformat(), where=where)

    def restore(self, kept: Kept, name: str) -> Candidate:
        tables = {}
        for table, found in kept.where.items():
            new = f"{table[: 240 - len(name)]}-restored-{name}"
            self._delete(new)
            self._bring_back(table, found, new)
            tables[table] = {"table": new, **found}
        for each in tables.values():
            self._wait(each["table"])
        return {"tables": tables, "name": name}

    def census(self, candidate: Candidate) -> Census:
        return {table: self.counted(each["table"]) for table, each in candidate["tables"].items()}

    def switch(self, candidate: Candidate) -> str:
        """Item by item: while it lasts readers meet both. What the table held before is in a backup of it."""
        saved = []
        for table, each in candidate["tables"].items():
            if self._status(table) is None:
                self._bring_back(table, each, table)
                self._wait(table)
                self._apply(table, each["settings"])
            else:
                made = self._client.create_backup(
                    TableName=table, BackupName=_name(f"before-{candidate['name']}", table)
                )
                saved.append(made["BackupDetails"]["BackupArn"])
                self._replace(each["table"], table)
            self._delete(each["table"])
        if not saved:
            return "None was left of those that served"
        return f"What {len(saved)} tables held before is in their backups before-{candidate['name']}-…"

    def discard(self, candidate: Candidate) -> None:
        for each in candidate["tables"].values():
            self._delete(each["table"])

    def counted(self, table: str) -> Collection:
        """Read whole: half a read unit for each 4 KB."""
        until = self._time_to_live(table)
        tally = Tally()
        for item in self._items(table):
            times = [_time(value) for name, value in item.items() if name.endswith("_at") and name != until]
            ends = _time(item.get(until, {})) if until else None
            tally.add(_canonical(item), newest=max(filter(None, times), default=None), expires=ends)
        return tally.result()

    def _bring_back(self, table: str, found: Mapping[str, Any], new: str) -> None:
        if "backup" in found:
            self._client.restore_table_from_backup(TargetTableName=new, BackupArn=found["backup"])
            return
        self._client.restore_table_to_point_in_time(
            SourceTableName=table, TargetTableName=new, RestoreDateTime=datetime.fromisoformat(found["moment"])
        )

    def _replace(self, source: str, target: str) -> None:
        """What differs is put, what was not there then is deleted."""
        keys = [each["AttributeName"] for each in self._client.describe_table(TableName=target)["Table"]["KeySchema"]]

        def key_of(item: Item) -> dict[str, Any]:
            return {name: item[name] for name in keys}

        held = {_canonical(key_of(item)): item for item in self._items(target)}
        wanted = {_canonical(key_of(item)): item for item in self._items(source)}
        puts = [{"PutRequest": {"Item": item}} for key, item in wanted.items() if held.get(key) != item]
        deletes = [{"DeleteRequest": {"Key": key_of(held[key])}} for key in held.keys() - wanted.keys()]
        for page in _pages([*puts, *deletes]):
            self._write({target: page})

    def _write(self, requests: dict[str, list[Any]]) -> None:
        """DynamoDB gives back what it did not take."""
        while requests:
            left = self._client.batch_write_item(RequestItems=requests).get("UnprocessedItems", {})
            if left:
                self._waiting.pause()
            requests = left

    def _settings(self, table: str) -> dict[str, Any]:
        """What a restore does not bring back."""
        described = self._client.describe_table(TableName=table)["Table"]
        continuous = self._client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        recovery = continuous.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
        return {
            "time_to_live": self._time_to_live(table),
            "point_in_time": recovery == "ENABLED",
            "protected": bool(described.get("DeletionProtectionEnabled")),
            "tags": self._client.list_tags_of_resource(ResourceArn=described["TableArn"]).get("Tags", []),
            "ceilings": _ceilings(described),
        }

    def _apply(self, table: str, settings: Mapping[str, Any]) -> None:
        if settings["time_to_live"]:
            specification = {"AttributeName": settings["time_to_live"], "Enabled": True}
            self._client.update_time_to_live(TableName=table, TimeToLiveSpecification=specification)
        if settings["point_in_time"]:
            self._client.update_continuous_backups(
                TableName=table, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
            )
        self._limit(table, settings.get("ceilings", {}))
        if settings["protected"]:
            self._client.update_table(TableName=table, DeletionProtectionEnabled=True)
        if tags := [tag for tag in settings["tags"] if not tag["Key"].startswith("aws:")]:  # those are AWS's to give
            arn = self._client.describe_table(TableName=table)["Table"]["TableArn"]
            self._client.tag_resource(ResourceArn=arn, Tags=tags)

    def _limit(self, table: str, ceilings: Mapping[str, Any]) -> None:
        """What an on-demand table and its indexes may be asked for. Those that are right already would be refused."""
        there = _ceilings(self._client.describe_table(TableName=table)["Table"])
        wrong = {name: ceiling for name, ceiling in ceilings.items() if there.get(name) != ceiling}
        update: dict[str, Any] = {"OnDemandThroughput": wrong.pop(_ITSELF)} if _ITSELF in wrong else {}
        if wrong:
            update["GlobalSecondaryIndexUpdates"] = [
                {"Update": {"IndexName": name, "OnDemandThroughput": ceiling}} for name, ceiling in wrong.items()
            ]
        if update:
            self._client.update_table(TableName=table, **update)
            self._wait(table)  # it takes one change at a time

    def _time_to_live(self, table: str) -> str | None:
        told = self._client.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
        return told.get("AttributeName") if told.get("TimeToLiveStatus") in ("ENABLED", "ENABLING") else None

    def _items(self, table: str) -> Iterator[Item]:
        pages = self._client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return (item for page in pages for item in page["Items"])

    def _delete(self, table: str) -> None:
        status = self._status(table)
        if status is None:
            return
        if status != "DELETING":
            self._wait(table)  # a table that is being made cannot be deleted
            self._client.delete_table(TableName=table)
        self._until(lambda: self._status(table) is None)

    def _wait(self, table: str) -> None:
        self._until(lambda: self._status(table) == "ACTIVE")

    def _is_there(self, arn: str) -> bool:
        details = self._client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]
        return bool(details["BackupStatus"] == "AVAILABLE")

    def _status(self, table: str) -> str | None:
        try:
            return str(self._client.describe_table(TableName=table)["Table"]["TableStatus"])
        except ClientError as error:
            if error.response["Error"]["Code"] == _GONE:
                return None
            raise

    def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._waiting.pause()


def _name(what: str, table: str) -> str:
    """Of a backup: 255 characters at most."""
    return f"{what}-{table}"[:255]


def _ceilings(described: Mapping[str, Any]) -> dict[str, Any]:
    """``OnDemandThroughput`` of the table and, by name, of its indexes: of those that have one."""
    parts = {_ITSELF: described} | {each["IndexName"]: each for each in described.get("GlobalSecondaryIndexes", [])}
    return {name: part["OnDemandThroughput"] for name, part in parts.items() if part.get("OnDemandThroughput")}


def _canonical(item: Item) -> bytes:
    """The same bytes for the same item: sets and attributes have no order."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, Mapping):
            if len(value) == 1 and (kind := next(iter(value))) in ("SS", "NS", "BS"):
                return {kind: sorted(plain(each) for each in value[kind])}
            if set(value) == {"N"}:
                return {"N": str(Decimal(value["N"]).normalize())}
            return {name: plain(each) for name, each in sorted(value.items())}
        return [plain(each) for each in value] if isinstance(value, list) else value

    return json.dumps(plain(item)).encode()


def _time(value: Mapping[str, Any]) -> str | None:
    """Of a number of seconds or a text in ISO 8601; None of anything else."""
    try:
        if "N" in value:
            return of_seconds(float(value["N"]))
        return datetime.fromisoformat(value["S"]).astimezone(UTC).isoformat() if "S" in value else None
    except (ValueError, OverflowError, OSError):
        return None


def _pages(requests: Iterable[Any]) -> Iterator[list[Any]]:
    waiting = list(requests)
    for start in range(0, len(waiting), _PAGE):
        yield waiting[start : start + _PAGE]
