"""Users' webhooks and e-mail addresses: made, verified, rotated, disabled and enabled."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from standardwebhooks import Webhook

from chalicelib.errors import BadEndpointError, LimitError, TooManyEndpointsError, UnknownEndpointError
from chalicelib.ports.endpoints import Answer
from chalicelib.services.endpoints import ENDPOINTS_MAX, UNSUBSCRIBED, new_secret
from chalicelib.services.verifying import ADDRESSES_A_DAY, MAILS_A_DAY
from tests.fake_endpoints import SORRY, World, endpoint_of, message_of

ADA = "ada"
URL = "https://example.com/hook"


@pytest.fixture
def world():
    return World()


def link_in(mail):
    """The token of the link, as it stands in the text."""
    return next(word for word in mail.text.split() if "token=" in word).partition("token=")[2]


def test_a_webhook_is_made_pinged_and_then_told_alerts(world):
    made, secret = world.endpoints.create(ADA, "webhook", URL)
    assert (made.verified_at, made.secrets[0].value, world.fake.checked) == (None, secret, [URL])
    world.to_the_end()
    (ping,) = world.fake.sent
    assert b'"type":"endpoint.ping"' in ping.body
    assert ping.secrets == (secret,)
    assert world.endpoints.find(ADA, made.id).verified_at == world.clock()
    world.tell(message_of(made))
    assert len(world.fake.sent) == 2


def test_a_secret_is_what_the_standard_asks_for(world):
    _, secret = world.endpoints.create(ADA, "webhook", URL)
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"))) == 32
    Webhook(secret)


def test_a_webhook_that_does_not_answer_stays_unverified_and_says_why(world):
    world.fake.answer = lambda _: SORRY
    made, _ = world.endpoints.create(ADA, "webhook", URL)
    world.to_the_end()
    waiting = world.endpoints.find(ADA, made.id)
    assert (waiting.verified_at, waiting.problem) == (None, "answered 500")


def test_a_verification_is_asked_for_again_after_a_minute(world):
    world.fake.answer = lambda _: SORRY
    made, _ = world.endpoints.create(ADA, "webhook", URL)
    world.to_the_end()
    with pytest.raises(LimitError) as refused:
        world.endpoints.verify(ADA, made.id)
    assert refused.value.retry_after == 60
    world.clock.forward(seconds=60)
    world.fake.answer = lambda _: Answer(True, 200)
    world.endpoints.verify(ADA, made.id)
    world.to_the_end()
    assert world.endpoints.find(ADA, made.id).verified_at == world.clock()


def test_one_that_is_verified_is_not_asked_again(world):
    hook = world.has(endpoint_of(ADA))
    world.endpoints.verify(ADA, hook.id)
    assert world.timers.due == []


def test_an_address_is_verified_by_the_link_in_its_mail(world):
    made, secret = world.endpoints.create(ADA, "email", "ada@example.com")
    assert secret == ""
    world.to_the_end()
    (mail,) = world.emails.mails
    assert (mail.to, mail.unsubscribe) == ("ada@example.com", "")
    assert "https://alerts.example/v1/confirm?token=ln_" in mail.text
    assert world.endpoints.confirm_target(link_in(mail)).verified_at is None
    assert world.endpoints.confirm(link_in(mail)).verified_at == world.clock()
    assert world.endpoints.find(ADA, made.id).verified_at == world.clock()


def test_a_confirmation_ends_after_two_days(world):
    world.endpoints.create(ADA, "email", "ada@example.com")
    world.to_the_end()
    token = link_in(world.emails.mails[0])
    world.clock.forward(days=2)
    with pytest.raises(BadEndpointError, match="no longer"):
        world.endpoints.confirm(token)


def test_an_address_is_not_flooded_whoever_asks(world):
    for number in range(MAILS_A_DAY + 3):
        world.endpoints.create(f"user{number}", "email", "Victim@example.com" if number % 2 else "victim@example.com")
    world.to_the_end()
    assert len(world.emails.mails) == MAILS_A_DAY
    world.clock.forward(days=1)
    world.endpoints.create("late", "email", "victim@example.com")
    world.to_the_end()
    assert len(world.emails.mails) == MAILS_A_DAY + 1


def test_one_reader_has_one_address_however_it_is_written(world):
    for number in range(MAILS_A_DAY + 3):
        world.endpoints.create(f"user{number}", "email", f"victim+{number}@example.com")
    world.to_the_end()
    assert len(world.emails.mails) == MAILS_A_DAY


def test_a_user_who_makes_and_deletes_addresses_does_not_write_to_the_world(world):
    for number in range(ADDRESSES_A_DAY + 3):
        made, _ = world.endpoints.create(ADA, "email", f"stranger{number}@example.com")
        world.to_the_end()
        last = world.endpoints.find(ADA, made.id)
        world.endpoints.delete(ADA, made.id)
    assert len(world.emails.mails) == ADDRESSES_A_DAY
    assert last.problem == "you had 20 addresses asked today"
    world.endpoints.create("eve", "email", "eve@example.com")
    world.to_the_end()
    assert len(world.emails.mails) == ADDRESSES_A_DAY + 1


def test_who_knows_a_webhooks_secret_signs_no_link_for_it(world):
    """A webhook is verified by its answer to a ping."""
    made = world.has(endpoint_of(ADA, verified_at=None))
    with pytest.raises(BadEndpointError):
        world.endpoints.confirm(world.links.token("confirm", made))
    assert world.endpoints.find(ADA, made.id).verified_at is None


def test_who_unsubscribes_is_written_to_no_more_until_they_confirm_again(world):
    mail = world.has(endpoint_of(ADA, kind="email"))
    world.tell(message_of(mail))
    token = world.emails.mails[0].unsubscribe.partition("token=")[2]
    world.clock.forward(days=900)
    assert world.endpoints.unsubscribe_target(token).disabled_at is None
    gone = world.endpoints.unsubscribe(token)
    assert (gone.disabled_at, gone.verified_at, gone.problem) == (world.clock(), None, UNSUBSCRIBED)
    assert world.endpoints.unsubscribe(token) == gone
    with pytest.raises(BadEndpointError, match="enable it first"):
        world.endpoints.verify(ADA, mail.id)
    world.endpoints.enable(ADA, mail.id)
    world.tell(message_of(mail, id="msg_later"))
    assert len(world.emails.mails) == 1


def test_a_link_is_good_for_its_purpose_and_its_endpoint_only(world):
    mail, other = endpoint_of(ADA, kind="email"), endpoint_of("eve", "2", kind="email")
    world.has(mail, other)
    confirm, unsubscribe = (world.links.token(purpose, mail) for purpose in ("confirm", "unsubscribe"))
    with pytest.raises(BadEndpointError):
        world.endpoints.unsubscribe(confirm)
    with pytest.raises(BadEndpointError):
        world.endpoints.confirm(unsubscribe)
    world.store.delete(ADA, mail.id)
    with pytest.raises(BadEndpointError):
        world.endpoints.unsubscribe(unsubscribe)


def test_a_forged_link_is_refused(world):
    mail = world.has(endpoint_of(ADA, kind="email"))
    token = world.links.token("unsubscribe", mail)
    forged = [
        "",
        "ln_",
        "ln_ä",
        "ln_" + "A" * 60,
        "ln_" + "A" * 2000,
        token[:-4] + "AAAA",
        token.replace("ln_", "ln_A", 1),
        token.removeprefix("ln_"),
        "ln_" + base64.urlsafe_b64encode(bytes(32) + b"unsubscribe\n0\nen_1\nada").decode().rstrip("="),
    ]
    for token in forged:
        with pytest.raises(BadEndpointError):
            world.endpoints.unsubscribe(token)


@pytest.mark.parametrize(
    ("kind", "address", "pointer"),
    [
        ("pigeon", "x", "/kind"),
        ("email", "nobody", "/address"),
        ("email", "a@b", "/address"),
        ("email", "a@b.example\r\nBcc: c@d.example", "/address"),
        ("email", f"{'a' * 250}@b.example", "/address"),
    ],
)
def test_what_cannot_be_reached_is_refused_where_it_is_wrong(world, kind, address, pointer):
    with pytest.raises(BadEndpointError) as refused:
        world.endpoints.create(ADA, kind, address)
    assert refused.value.pointer == pointer


def test_a_user_has_so_many_and_no_more(world):
    for _ in range(ENDPOINTS_MAX):
        world.endpoints.create(ADA, "webhook", URL)
    with pytest.raises(TooManyEndpointsError):
        world.endpoints.create(ADA, "webhook", URL)
    world.endpoints.create("eve", "webhook", URL)


def test_a_second_rotation_ends_the_oldest_secret_at_once(world):
    hook = world.has(endpoint_of(ADA))
    _, second = world.endpoints.rotate(ADA, hook.id)
    rotated, third = world.endpoints.rotate(ADA, hook.id)
    assert rotated.secrets_at(world.clock()) == (third, second)
    assert rotated.secrets_at(world.clock() + timedelta(hours=24)) == (third,)


def test_an_address_has_no_secret_to_rotate(world):
    mail = world.has(endpoint_of(ADA, kind="email"))
    with pytest.raises(BadEndpointError):
        world.endpoints.rotate(ADA, mail.id)


def test_an_endpoint_that_is_enabled_again_has_another_five_days(world):
    hook = world.has(endpoint_of(ADA, disabled_at=world.clock(), failing_since=world.clock(), problem="it failed"))
    enabled = world.endpoints.enable(ADA, hook.id)
    assert (enabled.disabled_at, enabled.failing_since, enabled.problem) == (None, None, "")


def test_nobody_elses_endpoint_is_seen_or_changed(world):
    hook = world.has(endpoint_of(ADA))
    for deed in (world.endpoints.find, world.endpoints.delete, world.endpoints.rotate, world.endpoints.enable):
        with pytest.raises(UnknownEndpointError):
            deed("eve", hook.id)


def test_a_change_that_others_overtook_is_made_of_the_newest(world, monkeypatch):
    hook = world.has(endpoint_of(ADA))
    put, told = world.store.replace, []

    def overtaken(endpoint):
        if not told:
            told.append(put(endpoint_of(ADA, problem="by another", revision=2, secrets=hook.secrets)))
        return put(endpoint)

    monkeypatch.setattr(world.store, "replace", overtaken)
    rotated, _ = world.endpoints.rotate(ADA, hook.id)
    assert (rotated.revision, rotated.problem, rotated.secrets[1].value) == (3, "by another", hook.secrets[0].value)


def test_secrets_are_never_the_same():
    assert len({new_secret() for _ in range(100)}) == 100
