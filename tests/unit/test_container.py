"""What the settings decide is built, and nothing before it is asked for."""

import pytest

from chalicelib.adapters.defillama import DefiLlama
from chalicelib.adapters.defillama.pro import ProSource
from chalicelib.container import Container
from chalicelib.errors import SourceError
from chalicelib.ports import FeedState
from chalicelib.settings import _REQUIRED, from_env
from tests.fakes import FakeClock, FakeSecrets

ENV = {**{name: name.lower() for name in _REQUIRED}, "AWS_REGION": "eu-central-1"}
EDGE = {
    "ORIGIN_SECRET_A_ID": "a",
    "ORIGIN_SECRET_B_ID": "b",
    "DISTRIBUTION_ID": "EDFDVBD6EXAMPLE",
    "ORIGIN_WEB_ACL_ARN": "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/origin/0000-11",
}


def container(**env: str) -> Container:
    return Container(from_env({**ENV, **env}))


def test_without_a_pro_key_the_free_api_is_polled():
    assert isinstance(container().source, DefiLlama)


def test_with_a_pro_key_it_is_read_from_its_secret_at_every_poll():
    made = container(DEFILLAMA_SECRET_ID="llama")
    made.secrets = FakeSecrets(llama=["no key, for it has spaces"])
    assert isinstance(made.source, ProSource)
    with pytest.raises(SourceError, match="is no key"):
        made.source.fetch("chains", FeedState(), coins=(), scheduled_at=FakeClock()())
    made.secrets.secrets.clear()
    with pytest.raises(SourceError, match="no Pro key"):
        made.source.fetch("chains", FeedState(), coins=(), scheduled_at=FakeClock()())


@pytest.mark.parametrize("env", [{}, EDGE])
def test_secrets_can_be_rotated_with_and_without_an_edge(env, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert container(**env).rotate_secret


def test_the_web_acl_is_named_by_its_arn(monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert container(**EDGE).edge._acl == {"Scope": "REGIONAL", "Name": "origin", "Id": "0000-11"}


def test_nothing_is_built_before_it_is_asked_for():
    assert set(vars(container(**EDGE))) == {"settings"}
