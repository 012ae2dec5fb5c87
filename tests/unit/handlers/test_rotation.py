"""Secrets Manager's call of the function that rotates."""

import pytest

from chalicelib.errors import RotationError

CALL = {"SecretId": "signing", "ClientRequestToken": "v2", "RotationToken": "of Secrets Manager's own"}


def test_four_calls_rotate_the_signing_key(invoke):
    invoke.container.versions.begin("signing", "v2")
    for step in ("createSecret", "setSecret", "testSecret", "finishSecret"):
        assert invoke("rotate", {**CALL, "Step": step}) is None
    assert len(invoke.container.versions.live("signing")) == 2


def test_a_step_that_fails_fails_the_invocation(invoke):
    """Secrets Manager tries again only then."""
    with pytest.raises(RotationError):
        invoke("rotate", {**CALL, "Step": "createSecret", "SecretId": "another"})
