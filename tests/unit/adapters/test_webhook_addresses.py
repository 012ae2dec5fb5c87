"""A webhook never leads to an address that is not of the public Internet, in whatever way it is written."""

import socket
import threading

import pytest

from chalicelib.adapters.webhooks import HttpWebhooks
from chalicelib.adapters.webhooks.addresses import UnresolvedError, is_public, resolve_within
from chalicelib.adapters.webhooks.connection import PinnedConnection
from chalicelib.errors import BadEndpointError
from chalicelib.services.endpoints import new_secret
from tests.fakes import FakeClock

PUBLIC = ["93.184.215.14", "1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1111"]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # instance metadata
    "169.254.100.1",  # a Lambda's own runtime
    "100.64.0.1",
    "192.0.0.192",
    "198.18.0.1",
    "203.0.113.9",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",  # 169.254.169.254 by NAT64
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",  # 127.0.0.1 by 6to4
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "fd00:ec2::254",  # instance metadata
    "ff02::1",
    "2001:db8::1",
    "localhost",
    "",
]
URLS = [
    "https://127.0.0.1/",
    "https://127.0.0.1:8443/",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fe80::1%25lo]/",
    "https://0.0.0.0/",
    "https://0/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0x7f.1/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://localhost/",
    "https://localhost./",
    "https://sub.localhost/",
]


def never(*_):
    raise AssertionError("nothing may be connected to")


@pytest.fixture
def no_connections(monkeypatch):
    monkeypatch.setattr(PinnedConnection, "connect", never)


def sent(webhooks, url):
    return webhooks.send(url, b"{}", message_id="m", secrets=[new_secret()], at=FakeClock()())


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_everything_else_is_not(address):
    assert not is_public(address)


@pytest.mark.parametrize("url", URLS)
def test_a_url_that_leads_back_to_us_is_refused_when_it_is_made(url, no_connections):
    with pytest.raises(BadEndpointError) as refused:
        HttpWebhooks().check(url)
    assert refused.value.pointer == "/url"


@pytest.mark.parametrize("url", URLS)
def test_and_when_it_is_sent_to(url, no_connections):
    answer = sent(HttpWebhooks(), url)
    assert not answer.arrived
    assert answer.status is None


@pytest.mark.parametrize("found", [["10.1.2.3"], ["1.1.1.1", "10.1.2.3"], ["1.1.1.1", "::1"]])
def test_a_name_that_resolves_to_a_private_address_is_refused(found, no_connections):
    webhooks = HttpWebhooks(resolve=lambda *_: found)
    with pytest.raises(BadEndpointError, match=r"an address of hooks\.example is not public"):
        webhooks.check("https://hooks.example/x")
    assert "not public" in sent(webhooks, "https://hooks.example/x").error


def test_a_name_that_was_public_when_it_was_made_is_looked_at_anew_when_it_is_sent_to(no_connections):
    told = iter([["1.1.1.1"], ["169.254.169.254"]])
    webhooks = HttpWebhooks(resolve=lambda *_: next(told))
    webhooks.check("https://hooks.example/x")
    assert "not public" in sent(webhooks, "https://hooks.example/x").error


def test_a_name_that_changes_its_answer_between_check_and_connect_gains_nothing(monkeypatch):
    """It is asked once, and what it said then is what is connected to."""
    asked, connected = [], []

    def resolve(host, _):
        asked.append(host)
        return ["1.1.1.1"] if len(asked) == 1 else ["127.0.0.1"]

    def connect(address, **_):
        connected.append(address)
        raise OSError(None, "nobody there")

    monkeypatch.setattr(socket, "create_connection", connect)
    sent(HttpWebhooks(resolve=resolve), "https://hooks.example/x")
    assert (asked, connected) == (["hooks.example"], [("1.1.1.1", 443)])


def test_with_the_switch_a_receiver_on_this_machine_may_be_sent_to():
    HttpWebhooks(to_private=True).check("http://127.0.0.1:8080/hook")


def test_a_name_server_that_does_not_answer_is_not_waited_for():
    released = threading.Event()
    with pytest.raises(UnresolvedError, match="in time"):
        resolve_within(lambda *_: released.wait(5) and [], "slow.example", 443, 0.01)
    released.set()


def test_a_name_without_an_address_is_said_to_have_none():
    with pytest.raises(BadEndpointError, match=r"nowhere\.invalid d(oes|id) not resolve"):
        HttpWebhooks().check("https://nowhere.invalid/")
