"""Reading an authorizer's answer, and the token bucket."""

import math

import pytest

from localcloud.gateway.authorizer import BadAnswerError, DeniedError, evaluate
from localcloud.gateway.throttle import TokenBucket

ARN = "arn:aws:execute-api:us-east-1:000000000000:local/ws/$connect"


def answer(*statements, **fields):
    statements = [{"Action": "execute-api:Invoke", **statement} for statement in statements]
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": statements}, **fields}


@pytest.mark.parametrize(
    "resource",
    [
        "*",
        ARN,
        "arn:aws:execute-api:us-east-1:*:local/ws/$connect",
        "arn:aws:execute-api:*:*:loc?l/*",
        ["arn:aws:other", ARN],
    ],
)
def test_an_allow_that_matches_the_method_lets_in(resource):
    assert evaluate(answer({"Effect": "Allow", "Resource": resource}), ARN) == {"principalId": "me"}


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [{"Effect": "Allow", "Resource": "arn:aws:execute-api:us-east-1:000000000000:local/ws/$default"}],
        [{"Effect": "Allow", "Resource": "arn:aws:execute-api:us-east-1:000000000000:local/*/*/*"}],
        [{"Effect": "Allow", "Resource": "[a]*"}],
        [{"Effect": "Allow", "Resource": "*", "Action": "s3:*"}],
        [{"Effect": "Allow", "Resource": "*"}, {"Effect": "Deny", "Resource": ARN}],
    ],
)
def test_anything_else_is_denied(statements):
    with pytest.raises(DeniedError):
        evaluate(answer(*statements), ARN)


@pytest.mark.parametrize(
    "bad",
    [
        None,
        {},
        {"principalId": "me"},
        {"principalId": 7, "policyDocument": {"Statement": []}},
        answer({"Effect": "Allow", "Resource": "*"}, context={"nested": {"not": "allowed"}}),
        answer({"Effect": "Allow", "Resource": "*"}, context={"long": "x" * 9000}),
    ],
)
def test_an_unusable_answer_is_an_error_and_not_a_refusal(bad):
    with pytest.raises(BadAnswerError):
        evaluate(bad, ARN)


def test_context_values_become_strings():
    context = {"text": "a", "whole": 1, "part": 0.5, "yes": True}
    found = evaluate(answer({"Effect": "Allow", "Resource": "*"}, context=context), ARN)
    assert found == {"principalId": "me", "text": "a", "whole": "1", "part": "0.5", "yes": "true"}


def test_a_bucket_gives_its_burst_and_then_its_rate():
    now = 0.0
    bucket = TokenBucket(10, 3, clock=lambda: now)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now = 0.1
    assert [bucket.take() for _ in range(2)] == [True, False]
    now = 100.0
    assert sum(bucket.take() for _ in range(10)) == 3


def test_an_infinite_rate_never_refuses():
    bucket = TokenBucket(math.inf, 0)
    assert all(bucket.take() for _ in range(1000))
