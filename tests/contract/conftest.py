"""Every suite here runs twice: on the fake that other tests trust, and on what it stands for."""

from __future__ import annotations

import pytest

from tests.contract.stores import Store, fake_store, redis_store


@pytest.fixture(params=["fake", "redis"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "fake":
        return fake_store()
    return redis_store(request.getfixturevalue("redis_url"))
