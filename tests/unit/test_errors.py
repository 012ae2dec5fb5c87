"""The error tree: one code a cause, in the band that says what a client is to do."""

from collections import Counter

import pytest

from chalicelib import errors
from chalicelib.errors import DefiStreamError


def descendants(kind):
    """Of errors.py alone: an adapter may have finer kinds of its own, which no client ever sees."""
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    return [kind, *(found for child in children for found in descendants(child))]


TREE = descendants(DefiStreamError)
BANDS = {
    errors.MalformedError: 1000,
    errors.RefusedError: 2000,
    errors.LimitError: 3000,
    errors.AuthenticationError: 4000,
    errors.TemporaryError: 5000,
}
PROTOCOL = [kind for band in BANDS for kind in descendants(band)]


@pytest.mark.parametrize(("root", "band"), BANDS.items())
def test_every_code_is_in_the_band_of_its_root(root, band):
    assert root.code == band
    assert all(band <= kind.code < band + 100 for kind in descendants(root))


def test_no_two_errors_of_the_protocol_share_a_code_or_a_name():
    assert [code for code, count in Counter(kind.code for kind in PROTOCOL).items() if count > 1] == []
    assert [name for name, count in Counter(kind.name for kind in TREE).items() if count > 1] == []


@pytest.mark.parametrize("kind", PROTOCOL)
def test_limits_and_faults_of_ours_are_temporary_and_nothing_else_is(kind):
    assert kind.temporary is (kind.code // 1000 in (3, 5))


@pytest.mark.parametrize("kind", PROTOCOL)
def test_http_says_the_same_as_the_band(kind):
    allowed = {1: {400, 413, 415}, 2: {403, 404, 409, 422}, 3: {409, 429}, 4: {401}, 5: {503}}[kind.code // 1000]
    assert kind.http_status in allowed


@pytest.mark.parametrize("kind", TREE)
def test_the_tree_at_the_top_of_the_module_shows_every_error_with_its_code(kind):
    lines = [line for line in errors.__doc__.splitlines() if kind.__name__ in line.split("─ ")[-1].split()]
    assert len(lines) == 1, kind
    if kind in PROTOCOL:
        assert str(kind.code) in lines[0]


def test_an_error_carries_its_message_and_when_to_come_back():
    error = errors.CommandRateError("slower", retry_after=0.5)
    assert (str(error), error.retry_after) == ("slower", 0.5)
    assert errors.SourceError("busy", temporary=True, retry_after=7).temporary
