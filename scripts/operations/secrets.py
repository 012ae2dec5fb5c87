"""A stage's secrets, rotated now instead of when it is their time."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.deployment.errors import RefusedError, StackError, StillGoingError
from scripts.deployment.waiting import Waiting
from scripts.operations.place import Place

SECRET, DATABASE = "AWS::SecretsManager::Secret", "AWS::RDS::DBInstance"
CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
FUNCTION = "rotate"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Secret:
    """``how``: "function" (four steps of ours), "rds" (the master user's), or "hand" (nobody but who issued it can)."""

    name: str
    id: str
    how: str
    rotated: str  # when last, ISO 8601, or ""
    instance: str = ""  # of the database that it opens


@dataclass(frozen=True, slots=True)
class Rotated:
    """``live`` are the labels whose values are read and differ: after a rotation of ours both are good for a while."""

    name: str
    version: str
    live: tuple[str, ...]
    was_under_way: bool

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "live": list(self.live), "resumed": self.was_under_way}


class Secrets:
    """The secrets of a stage's stack. No value is ever shown or logged."""

    def __init__(self, place: Place, *, waiting: Waiting | None = None, say: Say = lambda _: None) -> None:
        self._place = place
        self._manager = place.client("secretsmanager")
        self._waiting = waiting or Waiting(every_s=5.0, limit_s=3600)
        self._say = say

    def all(self) -> list[Secret]:
        """By name: ``token`` for TokenSecret, ``database`` for the one that RDS keeps. Raises RefusedError."""
        found = []
        for logical, physical in self._place.of_type(SECRET).items():
            about = self._manager.describe_secret(SecretId=physical)
            how = "function" if about.get("RotationEnabled") else "hand"
            found.append(Secret(_name(logical), physical, how, _when(about)))
        for instance in self._place.of_type(DATABASE).values() if self._place.is_aws else ():
            (about,) = self._place.client("rds").describe_db_instances(DBInstanceIdentifier=instance)["DBInstances"]
            if arn := about.get("MasterUserSecret", {}).get("SecretArn"):
                rotated = _when(self._manager.describe_secret(SecretId=arn))
                found.append(Secret("database", arn, "rds", rotated, instance))
        return sorted(found, key=lambda secret: secret.name)

    def named(self, name: str) -> Secret:
        """Raises RefusedError for one that is not there, or that only a person can change."""
        secrets = {secret.name: secret for secret in self.all()}
        if name not in secrets:
            raise RefusedError(f"no secret {name!r}; there are {', '.join(secrets)}")
        if secrets[name].how == "hand":
            raise RefusedError(
                f"{name} has no rotation here: a person puts another value there, by the console or the CLI"
            )
        return secrets[name]

    def rotate(self, secret: Secret) -> Rotated:
        """Begin, or go on with what is under way; back when the new value is the current one and was read.

        Raises StillGoingError if that takes too long (Secrets Manager goes on by itself), StackError if what is live
        afterwards is not what has to be.
        """
        before = self._labels(secret)
        old = self._digest(secret, CURRENT)
        version = before.get(PENDING)
        resumed = version is not None and version != before.get(CURRENT)
        if not resumed:
            version = self._begin(secret)
        self._say(f"{secret.name}: {'goes on' if resumed else 'begun'}, version {version or 'of RDS'}")
        if secret.how == "function" and not self._place.is_aws:
            self._take_the_steps(secret, str(version))
        current = self._wait(secret, version, before)
        self._say(f"{secret.name}: {current} is current")
        return Rotated(secret.name, current, self._verified(secret, old), resumed)

    def _begin(self, secret: Secret) -> str | None:
        if secret.how == "rds":
            database = self._place.client("rds")
            database.modify_db_instance(
                DBInstanceIdentifier=secret.instance, RotateMasterUserPassword=True, ApplyImmediately=True
            )
            return None
        return str(self._manager.rotate_secret(SecretId=secret.id)["VersionId"])

    def _take_the_steps(self, secret: Secret, version: str) -> None:
        """As Secrets Manager does; whoever else answers its API does not."""
        for step in STEPS:
            self._place.invoke(FUNCTION, {"Step": step, "SecretId": secret.id, "ClientRequestToken": version})
            self._say(f"{secret.name}: {step}")

    def _wait(self, secret: Secret, version: str | None, before: Mapping[str, str]) -> str:
        waiting = self._waiting.again()
        while True:
            labels = self._waiting.ask(self._labels, secret=secret)
            current = labels.get(CURRENT, "")
            if current == version or (version is None and current != before.get(CURRENT)):
                return current
            try:
                waiting.pause()
            except StillGoingError as error:
                raise StillGoingError(
                    f"{secret.name}: {error}. The same command follows it; see `lines rotate`"
                ) from error

    def _verified(self, secret: Secret, old: str) -> tuple[str, ...]:
        new = self._digest(secret, CURRENT)
        if new == old:
            raise StackError(f"{secret.name}: the current value is what it was before")
        if secret.how == "rds":  # a password replaces another: only one opens the database
            return (CURRENT,)
        if self._digest(secret, PREVIOUS) != old:
            raise StackError(
                f"{secret.name}: the previous value is not the one that was current: who holds it is locked out"
            )
        return (CURRENT, PREVIOUS)

    def _labels(self, secret: Secret) -> dict[str, str]:
        """Version by label."""
        versions = self._manager.describe_secret(SecretId=secret.id).get("VersionIdsToStages", {})
        return {label: version for version, labels in versions.items() for label in labels}

    def _digest(self, secret: Secret, label: str) -> str:
        value = self._manager.get_secret_value(SecretId=secret.id, VersionStage=label)["SecretString"]
        return hashlib.sha256(value.encode()).hexdigest()


def _name(logical_id: str) -> str:
    """``OriginSecretA`` is ``origin-a``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", logical_id.replace("Secret", "")).lower()


def _when(about: Mapping[str, Any]) -> str:
    last = about.get("LastRotatedDate")
    return last.isoformat(timespec="minutes") if last else ""
