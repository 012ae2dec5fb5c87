"""What an invocation says of an exception."""

from __future__ import annotations

import traceback

import pytest

from localcloud.account.ministack.workers import raised


class OddError(Exception):
    """Of this module."""


@pytest.mark.parametrize("message", ["no such version", "two\nlines: of it", ""])
@pytest.mark.parametrize("kind", [OddError, KeyError, RuntimeError])
def test_the_class_is_that_of_the_traceback_without_its_module(kind: type[Exception], message: str) -> None:
    with pytest.raises(kind) as caught:
        raise kind(message)
    log = f"a line before\n{''.join(traceback.format_exception(caught.value))}"
    assert raised(str(caught.value), log) == kind.__name__


def test_a_log_without_a_traceback_names_none() -> None:
    assert raised("broken", "only words here: broken") is None
    assert raised("broken", "") is None
