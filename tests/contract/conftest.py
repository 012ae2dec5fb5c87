"""Every suite here runs twice: on the fake that other tests trust, and on the real thing, as the functions' user."""

from __future__ import annotations

import pytest

from tests.contract.stores import Store, fake_store, redis_store
from tests.functions_user import as_functions_user


@pytest.fixture(params=["fake", "redis"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "fake":
        return fake_store()
    return redis_store(as_functions_user(request.getfixturevalue("redis_url")))
