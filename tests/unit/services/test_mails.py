"""The e-mails say the same as text and as HTML, and nothing that a user wrote becomes a part of their form."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from chalicelib.services.mails import alert_mail, confirm_mail, notice_mail
from tests.fake_endpoints import alert_of, endpoint_of

LINK = "https://alerts.example/v1/unsubscribe?token=ln_x"


class Page(HTMLParser):
    """What a reader sees, and where links lead."""

    def __init__(self, html):
        super().__init__()
        self.text, self.links, self.tags = "", [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data):
        self.text += data + " "


@pytest.mark.parametrize("state", ["firing", "acknowledged", "resolved"])
def test_an_alert_says_what_happened_in_both_forms(state):
    mail = alert_mail(alert_of(state, at="2026-11-23T02:30:00.5Z"), to="ada@example.com", unsubscribe=LINK)
    assert mail.subject == f"{state.capitalize()}: USDC loses its peg"
    page = Page(mail.html)
    for form in (mail.text, page.text):
        for fact in ("USDC loses its peg", "value < 0.98 for 5m", "peg:usd-coin", "0.97", "2026-11-23 02:00:00 UTC"):
            assert fact in form
        assert ("2026-11-23 02:30:00 UTC" in form) == (state != "firing")
    assert page.links == [LINK]
    assert LINK in mail.text


def test_a_name_is_text_and_no_markup():
    name = '<img src=x onerror="alert(1)">{colour}'
    page = Page(alert_mail(alert_of(name=name), to="ada@example.com", unsubscribe=LINK).html)
    assert "img" not in page.tags
    assert name in page.text


def test_a_name_makes_no_lines_and_no_headers_of_its_own():
    mail = alert_mail(
        alert_of(name="a\r\nBcc: eve@example.com\n\nb" + "x" * 300), to="ada@example.com", unsubscribe=LINK
    )
    assert mail.subject.isprintable()
    assert len(mail.subject) <= 150
    assert mail.text.splitlines()[0].startswith("Firing: a  Bcc: eve@example.com  b")


def test_a_stale_topic_has_no_value_to_tell():
    mail = alert_mail(alert_of(value=None), to="ada@example.com", unsubscribe=LINK)
    assert "Value" not in mail.text


def test_a_confirmation_has_one_link():
    mail = confirm_mail(endpoint_of("ada", kind="email"), link=LINK)
    assert Page(mail.html).links == [LINK]
    assert LINK in mail.text
    assert mail.unsubscribe == ""


def test_a_notice_names_the_webhook_and_the_reason():
    mail = notice_mail("https://example.com/hook?a=1&b=2", "it answered 410: gone", to="a@b.example", unsubscribe=LINK)
    for form in (mail.text, Page(mail.html).text):
        assert "https://example.com/hook?a=1&b=2" in form
        assert "it answered 410: gone" in form
