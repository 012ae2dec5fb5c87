"""PostgreSQL on RDS: snapshots and the log since, restored as another instance, switched by renaming both.

An instance's address follows its name, so functions find the new one by the address that they have.
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
GROWTH = "MaxAllocatedStorage"


class Rds:
    """store.Store of one instance. It cannot be counted: nothing outside of the VPC reaches it."""

    name = "postgresql"

    def __init__(self, client: Any, instance: str, *, waiting: Waiting | None = None) -> None:
        self._client = client
        self._instance = instance
        self._waiting = waiting or Waiting(every_s=15.0)

    def back_up(self, backup: str) -> Kept:
        """A snapshot by hand: it stays until somebody deletes it, longer than RDS keeps its own."""
        snapshot = f"{self._instance}-{backup.lower()}"
        if self._snapshot(snapshot) is None:
            self._client.create_db_snapshot(DBInstanceIdentifier=self._instance, DBSnapshotIdentifier=snapshot)
        self._until(lambda: (self._snapshot(snapshot) or {}).get("Status") == AVAILABLE)
        made = (self._snapshot(snapshot) or {}).get("SnapshotCreateTime") or datetime.now(UTC)
        where = {"snapshot": snapshot, "settings": self._settings()}
        return Kept(store=self.name, moment=made.astimezone(UTC).isoformat(), where=where)

    def at(self, moment: datetime) -> Kept | None:
        """Raises StackError for a moment that RDS has not logged, or no longer."""
        source = self._described(self._instance)
        last = source.get("LatestRestorableTime") if source else None
        if last is None or moment > last:
            raise StackError(f"instance {self._instance} can be brought back until {last}, not as of {moment}")
        where = {"moment": moment.astimezone(UTC).isoformat(), "settings": self._settings()}
        return Kept(store=self.name, moment=moment.astimezone(UTC).isoformat(), where=where)

    def restore(self, kept: Kept, name: str) -> Candidate:
        new, settings = f"{self._instance}-{name.lower()}", kept.where["settings"]
        if self._described(new) is None:
            if "snapshot" in kept.where:
                self._client.restore_db_instance_from_db_snapshot(
                    DBInstanceIdentifier=new,
                    DBSnapshotIdentifier=kept.where["snapshot"],
                    **{name: value for name, value in settings.items() if name != GROWTH},  # takes all but this one
                )
            else:
                self._client.restore_db_instance_to_point_in_time(
                    SourceDBInstanceIdentifier=self._instance,
                    TargetDBInstanceIdentifier=new,
                    RestoreTime=datetime.fromisoformat(kept.where["moment"]),
                    **settings,
                )
        self._until(lambda: (self._described(new) or {}).get("DBInstanceStatus") == AVAILABLE)
        if "snapshot" in kept.where:
            self._client.modify_db_instance(DBInstanceIdentifier=new, **{GROWTH: settings[GROWTH]})
        return {"instance": new, "before": f"{self._instance}-before-{name.lower()}"}

    def census(self, candidate: Candidate) -> Census | None:
        return None

    def switch(self, candidate: Candidate) -> str:
        """Both are renamed; RDS takes some minutes, in which history waits in its queue."""
        new, before = candidate["instance"], candidate["before"]
        if self._described(new) is not None:
            if self._described(self._instance) is not None:
                self._rename(self._instance, before)
            self._rename(new, self._instance)
        return (
            f"What served before is instance {before}. Deploy the stage again now: roles and functions must learn the"
            " new instance's resource id and the secret of its master user"
        )

    def discard(self, candidate: Candidate) -> None:
        if self._described(candidate["instance"]) is not None:
            self._client.modify_db_instance(
                DBInstanceIdentifier=candidate["instance"], DeletionProtection=False, ApplyImmediately=True
            )
            self._client.delete_db_instance(DBInstanceIdentifier=candidate["instance"], SkipFinalSnapshot=True)

    def _settings(self) -> dict[str, Any]:
        """Of the instance that serves, what a restored one would have otherwise."""
        one = self._described(self._instance)
        if one is None:
            raise StackError(f"there is no instance {self._instance}")
        return {
            "DBInstanceClass": one["DBInstanceClass"],
            "DBSubnetGroupName": one["DBSubnetGroup"]["DBSubnetGroupName"],
            "VpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in one["VpcSecurityGroups"]],
            "DBParameterGroupName": one["DBParameterGroups"][0]["DBParameterGroupName"],
            "MultiAZ": one["MultiAZ"],
            "PubliclyAccessible": False,
            "EnableIAMDatabaseAuthentication": one["IAMDatabaseAuthenticationEnabled"],
            "EnableCloudwatchLogsExports": one.get("EnabledCloudwatchLogsExports", []),
            "DeletionProtection": one["DeletionProtection"],
            "BackupRetentionPeriod": one["BackupRetentionPeriod"],
            GROWTH: one[GROWTH],
            "CACertificateIdentifier": one["CACertificateIdentifier"],
            "CopyTagsToSnapshot": True,
            "ManageMasterUserPassword": True,
            "Tags": [tag for tag in one.get("TagList", []) if not tag["Key"].startswith("aws:")],
        } | _secret(one)

    def _rename(self, old: str, new: str) -> None:
        self._client.modify_db_instance(DBInstanceIdentifier=old, NewDBInstanceIdentifier=new, ApplyImmediately=True)
        self._until(lambda: (self._described(new) or {}).get("DBInstanceStatus") == AVAILABLE)

    def _described(self, instance: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._client.describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"][
                0
            ]
        except ClientError as error:
            if error.response["Error"]["Code"] == "DBInstanceNotFound":
                return None
            raise
        return found

    def _snapshot(self, snapshot: str) -> Mapping[str, Any] | None:
        try:
            answer = self._client.describe_db_snapshots(DBSnapshotIdentifier=snapshot)
        except ClientError as error:
            if error.response["Error"]["Code"] == "DBSnapshotNotFound":
                return None
            raise
        found: Mapping[str, Any] = answer["DBSnapshots"][0]
        return found

    def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._waiting.pause()


def _secret(instance: Mapping[str, Any]) -> dict[str, str]:
    """The key under which RDS keeps the master user's password."""
    key = instance.get("MasterUserSecret", {}).get("KmsKeyId")
    return {"MasterUserSecretKmsKeyId": key} if key else {}
