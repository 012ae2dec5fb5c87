"""Fakes of what a rotation works on, and of the client that secrets are read with."""

from __future__ import annotations

from chalicelib.errors import RotationError, StoreDownError
from chalicelib.ports import SecretState


class FakeSecretVersions:
    """ports.SecretVersions: each secret begins with the version "v1" as its current one."""

    def __init__(self, **secrets: str) -> None:
        self.rotates = True
        self.values = {name: {"v1": value} for name, value in secrets.items()}
        self.labels: dict[str, dict[str, set[str]]] = {name: {"v1": {"AWSCURRENT"}} for name in secrets}

    def begin(self, secret_id: str, version: str) -> None:
        """What Secrets Manager does before the first step: a pending version without a value."""
        for labels in self.labels[secret_id].values():
            labels.discard("AWSPENDING")
        self.labels[secret_id][version] = {"AWSPENDING"}

    def live(self, secret_id: str) -> list[str]:
        """The values of the current and the previous version."""
        labels = self.labels[secret_id].items()
        versions = [version for label in ("AWSCURRENT", "AWSPREVIOUS") for version, found in labels if label in found]
        return [self.values[secret_id][version] for version in versions]

    def state(self, secret_id: str) -> SecretState:
        if secret_id not in self.labels:
            raise StoreDownError("a secret could not be described: ResourceNotFoundException")
        labels = {version: frozenset(found) for version, found in self.labels[secret_id].items()}
        return SecretState(rotates=self.rotates, labels=labels)

    def value(self, secret_id: str, version: str) -> str | None:
        return self.values[secret_id].get(version)

    def put(self, secret_id: str, version: str, value: str) -> None:
        self.values[secret_id][version] = value
        self.labels[secret_id].setdefault(version, set()).add("AWSPENDING")

    def promote(self, secret_id: str, version: str, *, instead_of: str | None) -> None:
        labels = self.labels[secret_id]
        if self.state(secret_id).current != instead_of:
            raise StoreDownError("a secret could not be promoted: InvalidParameterException")
        for found in labels.values():
            found.discard("AWSPREVIOUS")
        if instead_of is not None:
            labels[instead_of] = {"AWSPREVIOUS"}
        labels[version].add("AWSCURRENT")


class FakeEdge:
    """ports.Edge: a value is deployed after so many looks."""

    def __init__(self, *, looks: int = 0, **sent: str) -> None:
        self.sent = {name.replace("_", "-"): value for name, value in sent.items()}
        self.looks = looks
        self.changes: list[str] = []
        self._left = 0

    def send(self, header: str, value: str) -> None:
        if header not in self.sent:
            raise RotationError(f"no origin of the distribution is sent {header}")
        if self.sent[header] != value:
            self.sent[header] = value
            self.changes.append(header)
            self._left = self.looks

    def sends(self, header: str, value: str) -> bool:
        self._left -= 1
        return self.sent[header] == value and self._left < 0


class _Exceptions:
    class ResourceNotFoundException(Exception):  # noqa: N818 - its own name
        pass


class FakeSecretsClient:
    """What of Secrets Manager's client reading takes; ``calls`` are those made, which fail with ``fault`` if there is
    one."""

    exceptions = _Exceptions

    def __init__(self, **secrets: list[str]) -> None:
        self.secrets = secrets
        self.calls = 0
        self.fault: Exception | None = None

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, str]:  # noqa: N803 - AWS's own names
        self.calls += 1
        if self.fault:
            raise self.fault
        values = self.secrets.get(SecretId, [])
        place = ("AWSCURRENT", "AWSPREVIOUS").index(VersionStage)
        if place >= len(values):
            raise self.exceptions.ResourceNotFoundException
        return {"SecretString": values[place]}
