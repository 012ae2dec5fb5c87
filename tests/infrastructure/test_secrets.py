"""Secrets: where their values come from, and that they change."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.infrastructure.kinds import of_type, resources_with

NEVER_ROTATED = {"DefiLlamaSecret": "DefiLlama issues the key; it is changed there and then put here by hand"}


def literals(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every text written in the template, with where; what an intrinsic will give is not one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from literals(inner, (*path, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from literals(inner, path)
    elif isinstance(value, str):
        yield path, value


def test_values_of_secrets_are_made_where_they_are_kept(resources):
    """Generated, or put there by hand: none comes through the template or its parameters."""
    for name, secret in of_type(resources, "AWS::SecretsManager::Secret").items():
        assert "SecretString" not in secret, name
        if name not in NEVER_ROTATED:
            assert secret["GenerateSecretString"]["PasswordLength"] >= 32, name


def test_no_password_or_key_is_written_in_the_template(resources):
    for path, text in literals(resources):
        if re.search(r"password|secretstring|authtoken|accesskey|privatekey", path[-1], re.I):
            assert text.startswith("{{resolve:secretsmanager:"), f"{'.'.join(path)} is written out"


def test_no_parameter_is_a_secret(assembled):
    """Secrets are made, not given: a parameter would be in the change set, the console and the file of parameters."""
    for name, parameter in assembled.template["Parameters"].items():
        assert "NoEcho" not in parameter, name
        assert not re.search(r"password|secret|token$|apikey", name, re.I), name


def test_every_secret_rotates(resources):
    schedules = of_type(resources, "AWS::SecretsManager::RotationSchedule")
    rotating = {schedule["SecretId"]["Ref"] for schedule in schedules.values()}
    secrets = set(of_type(resources, "AWS::SecretsManager::Secret"))
    assert secrets - rotating - NEVER_ROTATED.keys() == set()
    for name, schedule in schedules.items():
        rules = schedule["RotationRules"]
        assert "ScheduleExpression" in rules or 1 <= rules["AutomaticallyAfterDays"] <= 90, name


def test_the_key_of_defillama_has_a_place_when_there_is_one(assembled, transformed):
    """With no value until somebody puts one: reading it fails, and no placeholder is taken for a key."""
    assert "DefiLlamaSecret" not in resources_with(assembled, transformed, DefiLlamaPlan="free")
    made = resources_with(assembled, transformed, DefiLlamaPlan="pro")["DefiLlamaSecret"]
    assert set(made["Properties"]) == {"Description", "KmsKeyId", "Tags"}
