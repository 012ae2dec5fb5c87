"""Who may open a socket."""

import pytest

from chalicelib.errors import AuthenticationError, NotAllowedError
from tests.unit.services.socket_rig import API_KEY, SocketRig

NOTHING = {"token": None, "api_key": None, "origin": None, "origin_verify": ["", ""]}


@pytest.fixture
def rig():
    return SocketRig()


def test_a_token_or_a_key_opens(rig):
    authorizer = rig.authorizer()
    token = rig.tokens.issue(api_key=API_KEY, address="a").token
    assert authorizer.run(**{**NOTHING, "token": token}).user == "ann"
    assert authorizer.run(**{**NOTHING, "api_key": API_KEY}).user == "ann"


@pytest.mark.parametrize(
    "shown", [{}, {"token": ""}, {"token": "x"}, {"api_key": "x"}, {"token": "x", "api_key": API_KEY}]
)
def test_nothing_or_something_bad_does_not(rig, shown):
    with pytest.raises(AuthenticationError):
        rig.authorizer().run(**{**NOTHING, **shown})


@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://ours", True), (None, True), ("https://theirs", False), ("", False)]
)
def test_pages_of_other_origins_may_not_where_origins_are_listed(rig, origin, allowed):
    authorizer = rig.authorizer(origins=("https://ours",))
    shown = {**NOTHING, "api_key": API_KEY, "origin": origin}
    if allowed:
        assert authorizer.run(**shown).user == "ann"
    else:
        with pytest.raises(NotAllowedError):
            authorizer.run(**shown)


def test_any_page_may_where_no_origin_is_listed(rig):
    assert rig.authorizer().run(**{**NOTHING, "api_key": API_KEY, "origin": "https://any"}).user == "ann"


@pytest.mark.parametrize("headers", [["a-2", "b-1"], ["a-1", ""], ["a-3", "b-1"], ["", "b-1"]])
def test_who_came_through_the_edge_may_with_a_live_value_in_either_header(rig, headers):
    authorizer = rig.authorizer(origin_secret_ids=("a", "b"))
    assert authorizer.run(**{**NOTHING, "api_key": API_KEY, "origin_verify": headers}).user == "ann"


@pytest.mark.parametrize("headers", [["", ""], ["a-3", "b-2"], ["b-1", "a-2"], ["a-2 ", ""], ["é", "é"]])
def test_who_went_round_the_edge_may_not(rig, headers):
    authorizer = rig.authorizer(origin_secret_ids=("a", "b"))
    with pytest.raises(NotAllowedError):
        authorizer.run(**{**NOTHING, "api_key": API_KEY, "origin_verify": headers})


def test_who_went_round_the_edge_does_not_learn_whether_a_token_is_good_nor_use_it_up(rig):
    token = rig.tokens.issue(api_key=API_KEY, address="a").token
    with pytest.raises(NotAllowedError):
        rig.authorizer(origin_secret_ids=("a", "b")).run(**{**NOTHING, "token": token})
    assert rig.tokens.redeem(token).user == "ann"


def test_a_refused_origin_does_not_use_the_token_up(rig):
    token = rig.tokens.issue(api_key=API_KEY, address="a").token
    with pytest.raises(NotAllowedError):
        rig.authorizer(origins=("https://ours",)).run(**{**NOTHING, "token": token, "origin": "https://theirs"})
    assert rig.authorizer().run(**{**NOTHING, "token": token}).user == "ann"


def test_a_tier_without_streaming_may_not(rig):
    (key,) = rig.keys.all()
    rig.keys.put(type(key)(key.user, "archive", key.name, key.hash, key.created_at))
    with pytest.raises(NotAllowedError):
        rig.authorizer().run(**{**NOTHING, "api_key": API_KEY})
