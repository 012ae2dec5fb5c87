"""Redis on ElastiCache: snapshots, restored as another group.

A group cannot be renamed, and its name is in every token that a function signs. So the switch makes the group anew
under its name, from the same snapshot, after a last snapshot of what it held: some ten minutes without the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from scripts.backups.census import Census
from scripts.backups.store import Candidate, Kept
from scripts.deployment.errors import StackError
from scripts.deployment.waiting import Waiting

AVAILABLE = "available"
MAX_NAME = 40  # of a replication group


class Elasticache:
    """store.Store of one replication group. It cannot be counted: nothing outside of the VPC reaches it."""

    name = "redis"

    def __init__(self, client: Any, group: str, *, waiting: Waiting | None = None) -> None:
        self._client = client
        self._group = group
        self._waiting = waiting or Waiting(every_s=15.0)

    def back_up(self, backup: str) -> Kept:
        snapshot = f"{self._group}-{backup.lower()}"
        if self._snapshot(snapshot) is None:
            self._client.create_snapshot(ReplicationGroupId=self._group, SnapshotName=snapshot)
        self._until(lambda: (self._snapshot(snapshot) or {}).get("SnapshotStatus") == AVAILABLE)
        nodes = (self._snapshot(snapshot) or {}).get("NodeSnapshots") or [{}]
        made = nodes[0].get("SnapshotCreateTime") or datetime.now(UTC)
        where = {"snapshot": snapshot, "settings": self._settings()}
        return Kept(store=self.name, moment=made.astimezone(UTC).isoformat(), where=where)

    def at(self, moment: datetime) -> Kept | None:
        """None: a snapshot is of the moment at which it was made."""
        return None

    def restore(self, kept: Kept, name: str) -> Candidate:
        new = f"{self._group[: MAX_NAME - len(name) - 1].rstrip('-')}-{name.lower()}"  # no two hyphens together
        self._make(new, kept.where)
        return {"group": new, "before": f"{self._group}-before-{name.lower()}", **kept.where}

    def census(self, candidate: Candidate) -> Census | None:
        return None

    def switch(self, candidate: Candidate) -> str:
        """A new server has a new run id, by which the first connection to it raises the generation of all epochs."""
        before = candidate["before"]
        if self._snapshot(before) is None and self._described(self._group) is not None:
            self._client.delete_replication_group(ReplicationGroupId=self._group, FinalSnapshotIdentifier=before)
            self._until(lambda: self._described(self._group) is None)
        self._make(self._group, candidate)
        self.discard(candidate)
        return f"What it held before is snapshot {before}"

    def discard(self, candidate: Candidate) -> None:
        if self._described(candidate["group"]) is not None:
            self._client.delete_replication_group(ReplicationGroupId=candidate["group"])

    def _make(self, group: str, kept: Mapping[str, Any]) -> None:
        if self._described(group) is None:
            self._client.create_replication_group(
                ReplicationGroupId=group, SnapshotName=kept["snapshot"], **kept["settings"]
            )
        self._until(lambda: (self._described(group) or {}).get("Status") == AVAILABLE)

    def _settings(self) -> dict[str, Any]:
        """Of the group that serves: a restored one has none of it by itself."""
        group = self._described(self._group)
        if group is None:
            raise StackError(f"there is no replication group {self._group}")
        node = self._client.describe_cache_clusters(CacheClusterId=group["MemberClusters"][0])["CacheClusters"][0]
        return {
            "ReplicationGroupDescription": group["Description"],
            "Engine": node["Engine"],
            "CacheNodeType": group["CacheNodeType"],
            "NumCacheClusters": len(group["MemberClusters"]),
            "AutomaticFailoverEnabled": group["AutomaticFailover"] == "enabled",
            "MultiAZEnabled": group["MultiAZ"] == "enabled",
            "CacheParameterGroupName": node["CacheParameterGroup"]["CacheParameterGroupName"],
            "CacheSubnetGroupName": node["CacheSubnetGroupName"],
            "SecurityGroupIds": [one["SecurityGroupId"] for one in node["SecurityGroups"]],
            "UserGroupIds": group.get("UserGroupIds", []),
            "TransitEncryptionEnabled": True,
            "AtRestEncryptionEnabled": True,
            "KmsKeyId": group["KmsKeyId"],
            "SnapshotRetentionLimit": group["SnapshotRetentionLimit"],
            "SnapshotWindow": group["SnapshotWindow"],
        }

    def _described(self, group: str) -> Mapping[str, Any] | None:
        try:
            answer = self._client.describe_replication_groups(ReplicationGroupId=group)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ReplicationGroupNotFoundFault":
                return None
            raise
        found: Mapping[str, Any] = answer["ReplicationGroups"][0]
        return found

    def _snapshot(self, snapshot: str) -> Mapping[str, Any] | None:
        found = self._client.describe_snapshots(SnapshotName=snapshot)["Snapshots"]
        return found[0] if found else None

    def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._waiting.pause()
