"""No secret gets into a line: not under its name, not by its shape, at no depth, in no traceback."""

import pytest
import structlog

from chalicelib.domain.keys import new_key
from chalicelib.services.endpoints import new_secret
from chalicelib.telemetry import invocation
from chalicelib.telemetry.redaction import REDACTED, SHAPES, redact_text

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm9ueW1vdXMifQ.c2lnbmF0dXJlLW9mLXRoZS10ZXN0"
EXAMPLES = {
    "API key": new_key(),
    "webhook secret": new_secret(),
    "token of a link": "https://alerts.example/v1/unsubscribe?token=ln_aB3dEf6hIj9kLm2nOp",
    "JSON Web Token": TOKEN,
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "password in a URL": "rediss://default:hunter2hunter2@redis.internal:6379/0",
    "signed URL": "https://s3.amazonaws.com/b/k?X-Amz-Signature=0123456789abcdef0123456789abcdef",
    "key in a Pro URL": "https://pro-api.llama.fi/aB3dEf6hIj9kLm2n/coins",
}


def test_every_shape_has_an_example():
    assert EXAMPLES.keys() == SHAPES.keys()


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_what_looks_like_a_secret_is_blotted_out_in_any_text(example):
    assert REDACTED in redact_text(f"the client sent {example}, and more")


@pytest.mark.parametrize(
    "text",
    [
        "price:coingecko:ethereum@42",
        "https://api.llama.fi/protocols",
        "redis://127.0.0.1:6379/0",
        "1-5759e988-bd862e3fe1be46a994272793",
        "arn:aws:sns:us-east-1:123456789012:observations",
    ],
)
def test_what_is_no_secret_stays_readable(text):
    assert redact_text(text) == text


def test_what_is_named_like_a_secret_is_not_written(lines):
    structlog.get_logger().info("asked", token="t0p", api_key="k3y", Authorization="b4sic", topic="price:ethereum")
    (line,) = lines()
    assert (line["token"], line["api_key"], line["Authorization"]) == (REDACTED,) * 3
    assert line["topic"] == "price:ethereum"


def test_a_secret_deep_in_a_field_is_not_written(lines):
    headers = [{"X-Api-Key": "k3y"}, {"cookie": "c", "x-origin-verify-a": "v"}]
    event = {"headers": headers, "query": {"first": ("a", {"password": "p4ss"})}}
    structlog.get_logger().info("asked", request=event)
    (line,) = lines()
    assert line["request"] == {
        "headers": [{"X-Api-Key": REDACTED}, {"cookie": REDACTED, "x-origin-verify-a": REDACTED}],
        "query": {"first": ["a", {"password": REDACTED}]},
    }


def test_a_count_of_tokens_is_no_token(lines):
    structlog.get_logger().info("limited", tokens=3, token_expired=True)
    (line,) = lines()
    assert (line["tokens"], line["token_expired"]) == (3, True)


def test_a_secret_in_a_traceback_is_not_written(lines):
    with pytest.raises(RuntimeError), invocation("authorize"):
        raise RuntimeError(f"cannot decode {TOKEN}")
    (line,) = lines()
    assert "RuntimeError: cannot decode [redacted]" in line["exception"]
    assert TOKEN not in str(line)


def test_a_secret_in_a_fields_name_or_in_an_object_is_not_written(lines):
    class Request:
        def __repr__(self):
            return f"<Request ?token={TOKEN}>"

    structlog.get_logger().info("asked", **{TOKEN: 1}, request=Request())
    assert TOKEN not in str(lines())
