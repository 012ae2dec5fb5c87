"""What SesEmails hands to SES, and what it makes of a refusal."""

from __future__ import annotations

import json
import urllib.request

import botocore.session
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.email import SesEmails
from chalicelib.ports.endpoints import Mail

MAIL = Mail("ada@example.com", "Firing: ä", "text ä", "<p>html ä</p>", "https://alerts.example/v1/unsubscribe?token=x")


@pytest.fixture
def ses(ministack):
    client = ministack.aws.client("sesv2")
    client.create_email_identity(EmailIdentity="alerts@example.org")
    yield client
    client.delete_email_identity(EmailIdentity="alerts@example.org")


def sent_by(ministack):
    with urllib.request.urlopen(f"{ministack.aws.url}/_ministack/ses/messages") as answer:
        mails = [mail for account in json.load(answer)["messages"].values() for mail in account]
    return [mail for mail in mails if mail["Source"] == "alerts@example.org"]


def test_a_mail_arrives_in_both_its_forms(ministack, ses):
    answer = SesEmails(ses, sender="alerts@example.org").send(MAIL)
    assert (answer.arrived, answer.status, answer.error) == (True, 200, "")
    mail = sent_by(ministack)[-1]
    assert (mail["To"], mail["Subject"]) == (["ada@example.com"], "Firing: ä")
    assert (mail["BodyText"], mail["BodyHtml"]) == ("text ä", "<p>html ä</p>")


@pytest.fixture
def stubbed():
    """SES as its description says: what is sent is checked against it, whoever answers."""
    client = botocore.session.get_session().create_client(
        "sesv2", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stub:
        yield client, stub


def test_mail_programs_can_unsubscribe_with_one_click(stubbed):
    """RFC 8058: both headers, and a URL that takes a POST."""
    client, stub = stubbed
    headers = [
        {"Name": "List-Unsubscribe", "Value": "<https://alerts.example/v1/unsubscribe?token=x>"},
        {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
    ]
    wanted = {
        "FromEmailAddress": "alerts@example.org",
        "Destination": {"ToAddresses": ["ada@example.com"]},
        "ConfigurationSetName": "alerts",
        "Content": {
            "Simple": {
                "Subject": {"Data": "Firing: ä", "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": "text ä", "Charset": "UTF-8"},
                    "Html": {"Data": "<p>html ä</p>", "Charset": "UTF-8"},
                },
                "Headers": headers,
            }
        },
    }
    stub.add_response("send_email", {"MessageId": "1"}, wanted)
    assert SesEmails(client, sender="alerts@example.org", settings="alerts").send(MAIL).arrived


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("TooManyRequestsException", 429, "too many e-mails at once"),
        ("MessageRejected", 400, "the address was refused: it bounced before, or is none that may be written to"),
        ("SendingPausedException", 400, "the e-mail could not be sent: SendingPausedException"),
    ],
)
def test_a_refusal_is_told_in_words(stubbed, code, status, error):
    client, stub = stubbed
    stub.add_client_error("send_email", code, http_status_code=status)
    answer = SesEmails(client, sender="alerts@example.org").send(MAIL)
    assert (answer.arrived, answer.status, answer.error) == (False, status, error)


def test_without_a_sender_nothing_is_sent(stubbed):
    assert SesEmails(stubbed[0], sender="").send(MAIL).error == "this deployment sends no e-mail"
