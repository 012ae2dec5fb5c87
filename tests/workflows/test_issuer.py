"""The stand-in for GitHub's tokens and for the action that takes a role with one: who gets in, and who does not."""

from __future__ import annotations

import importlib.util
import json
import urllib.error
import urllib.request
from pathlib import Path

import jwt
import pytest

from scripts.workflows.definitions import Job
from scripts.workflows.issuer import Issuer, RefusedError, serving

ROOT = Path(__file__).resolve().parents[2]
PROVIDER = "token.actions.githubusercontent.com"
DEPLOY = Job("Deploy", "deploy", "staging", may_ask_for_a_token=True)
NOTIFY = Job("Deploy", "notify", None, may_ask_for_a_token=False)


@pytest.fixture
def issuer():
    return Issuer("acme/defi-stream", [DEPLOY, NOTIFY])


@pytest.fixture(scope="module")
def assume():
    path = ROOT / "scripts/workflows/actions/configure-aws-credentials/assume.py"
    spec = importlib.util.spec_from_file_location("assume", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def policy(conditions):
    principal = {"Federated": f"arn:aws:iam::1:oidc-provider/{PROVIDER}"}
    statement = {"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity", "Principal": principal}
    return {"Statement": [{**statement, "Condition": conditions}]}


def trusted(subject):
    return policy({"StringEquals": {f"{PROVIDER}:aud": "sts.amazonaws.com", f"{PROVIDER}:sub": subject}})


def test_a_token_says_the_repository_and_the_environment(issuer):
    claims = claims_of(issuer.token("Deploy", "deploy", "sts.amazonaws.com"))
    assert claims["sub"] == "repo:acme/defi-stream:environment:staging"
    assert (claims["aud"], claims["environment"]) == ("sts.amazonaws.com", "staging")


def test_a_job_without_the_permission_gets_none(issuer):
    with pytest.raises(RefusedError, match="id-token"):
        issuer.token("Deploy", "notify", "sts.amazonaws.com")


def test_a_job_of_another_run_gets_none(issuer):
    with pytest.raises(RefusedError, match="no job"):
        issuer.token("Test", "suite", "sts.amazonaws.com")


def test_it_answers_whom_the_run_gave_its_password(issuer):
    with serving(issuer) as address:
        request = urllib.request.Request(f"{address}?workflow=Deploy&job=deploy&audience=sts.amazonaws.com")
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5)
        assert refused.value.code == 403
        request.add_header("authorization", f"bearer {issuer.password}")
        with urllib.request.urlopen(request, timeout=5) as answer:
            assert claims_of(json.load(answer)["value"])["environment"] == "staging"


def test_a_role_admits_the_environment_that_it_trusts_and_no_other(issuer, assume):
    claims = claims_of(issuer.token("Deploy", "deploy", "sts.amazonaws.com"))
    assert assume.admitted(trusted("repo:acme/defi-stream:environment:staging"), claims)
    assert not assume.admitted(trusted("repo:acme/defi-stream:environment:production"), claims)
    assert not assume.admitted(trusted("repo:another/defi-stream:environment:staging"), claims)


def test_a_role_that_does_not_look_at_the_subject_is_not_taken(issuer, assume):
    claims = claims_of(issuer.token("Deploy", "deploy", "sts.amazonaws.com"))
    assert not assume.admitted(policy({"StringEquals": {f"{PROVIDER}:aud": "sts.amazonaws.com"}}), claims)


def test_a_token_for_another_audience_is_not_admitted(issuer, assume):
    claims = claims_of(issuer.token("Deploy", "deploy", "somebody.else"))
    assert not assume.admitted(trusted("repo:acme/defi-stream:environment:staging"), claims)
