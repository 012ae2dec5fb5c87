"""Encryption, policies and tags of every resource: a new one is held to the same without a new test."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from scripts.packaging.schemas import schema_of
from tests.infrastructure.kinds import (
    actions,
    conditions,
    listed,
    of_type,
    policies_by_resource,
    statements,
)

ACCOUNT = "123456789012"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
USES = ("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "CreateGrant", "Sign", "GenerateMac")

# Where each kind of store says under which key it is, and which key that has to be.
STORES = {
    "AWS::DynamoDB::Table": (("SSESpecification", "KMSMasterKeyId"), "DataKey"),
    "AWS::ElastiCache::ReplicationGroup": (("KmsKeyId",), "DataKey"),
    "AWS::Logs::LogGroup": (("KmsKeyId",), "LogsKey"),
    "AWS::RDS::DBInstance": (("KmsKeyId",), "DataKey"),
    "AWS::SNS::Topic": (("KmsMasterKeyId",), "MessagingKey"),
    "AWS::SQS::Queue": (("KmsMasterKeyId",), "MessagingKey"),
    "AWS::SecretsManager::Secret": (("KmsKeyId",), "SecretsKey"),
}
# Kinds that could have a key and are not stores under one of ours, each with why.
KEYLESS = {
    "AWS::KMS::Key": "is one",
    "AWS::Lambda::Function": "its environment holds names and addresses, no secret; Lambda has a key for it",
    "AWS::Lambda::EventSourceMapping": "the key would be for filter criteria, and there are none",
    "AWS::S3::Bucket": "has a test of its own below: access logs can only be delivered under S3's key",
    "AWS::SecretsManager::RotationSchedule": "keys of secrets belong to hosted rotation, which is not used",
}


def property_names(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for value in schema.values():
            yield from property_names(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from property_names(value)


# --- at rest ---


def test_everything_that_can_have_a_key_is_either_under_one_of_ours_or_has_a_reason(resources):
    """A kind of resource that is new to the template has to be put into one of the two tables."""
    kinds = {resource["Type"] for resource in resources.values()}
    with_keys = {
        kind for kind in kinds if any(re.search(r"kms.*key", name, re.I) for name in property_names(schema_of(kind)))
    }
    assert with_keys
    assert with_keys - STORES.keys() - KEYLESS.keys() == set()


@pytest.mark.parametrize("kind", STORES)
def test_every_store_is_under_the_key_of_its_kind(resources, kind):
    path, key = STORES[kind]
    for name, properties in of_type(resources, kind).items():
        value: Any = properties
        for step in path:
            value = value.get(step, {})
        assert value == {"Fn::GetAtt": [key, "Arn"]}, f"{name} is not under {key}"


def test_every_bucket_is_encrypted_and_only_the_one_of_access_logs_under_s3s_own_key(resources):
    under_s3 = set()
    for name, bucket in of_type(resources, "AWS::S3::Bucket").items():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        default = rule["ServerSideEncryptionByDefault"]
        if default == {"SSEAlgorithm": "AES256"}:
            under_s3.add(name)
            continue
        assert default == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Fn::GetAtt": ["DataKey", "Arn"]}}, name
        assert rule["BucketKeyEnabled"] is True, f"{name} would ask KMS for every object"
    assert under_s3 == {"AccessLogsBucket"}


# --- keys ---


def test_every_key_rotates_by_itself_outlives_the_stack_and_has_a_name(resources):
    named = {alias["TargetKeyId"]["Ref"] for alias in of_type(resources, "AWS::KMS::Alias").values()}
    for name, key in of_type(resources, "AWS::KMS::Key").items():
        assert key["EnableKeyRotation"] is True, name
        assert 90 <= key["RotationPeriodInDays"] <= 365, name
        assert 7 <= key["PendingWindowInDays"] <= 30, name
        assert resources[name]["DeletionPolicy"] == "RetainExceptOnCreate", name
        assert resources[name]["UpdateReplacePolicy"] == "Retain", name
        assert name in named, f"{name} has no alias"


def test_keys_are_used_through_services_only(resources):
    """Nobody decrypts by asking KMS: the caller is a service, or somebody of this account who uses one."""
    for name, key in of_type(resources, "AWS::KMS::Key").items():
        for statement in statements(key["KeyPolicy"]):
            if not any(use in action for use in (*USES, "kms:*") for action in actions(statement)):
                continue
            where = conditions(statement)
            if statement["Principal"] == {"AWS": ROOT}:
                assert where["kms:calleraccount"] == [ACCOUNT], f"{name}: {statement['Sid']}"
                assert where["kms:viaservice"], f"{name}: {statement['Sid']}"
            else:
                assert set(statement["Principal"]) == {"Service"}, f"{name}: {statement['Sid']}"
                scoped = where.keys() & {"aws:sourceaccount", "aws:sourcearn", "kms:encryptioncontext:aws:logs:arn"}
                assert any(ACCOUNT in str(value) for key in scoped for value in where[key]), (
                    f"{name}: {statement['Sid']}"
                )


def test_grants_are_given_to_services_only(resources):
    for name, key in of_type(resources, "AWS::KMS::Key").items():
        for statement in statements(key["KeyPolicy"]):
            if "kms:CreateGrant" in actions(statement):
                assert conditions(statement)["kms:grantisforawsresource"] == ["true"], name


def test_every_key_can_still_be_administered(resources):
    """A key whose policy nobody may change cannot be mended, only lost."""
    for name, key in of_type(resources, "AWS::KMS::Key").items():
        open_to_root = [
            s for s in statements(key["KeyPolicy"]) if s["Principal"] == {"AWS": ROOT} and "Condition" not in s
        ]
        assert any({"kms:PutKeyPolicy", "kms:CancelKeyDeletion"} <= set(actions(s)) for s in open_to_root), name


def test_policies_of_keys_name_nothing_of_the_stack(resources):
    """A key that needs a role or a queue which needs the key is a cycle."""
    for name, key in of_type(resources, "AWS::KMS::Key").items():
        assert "Ref" not in json.dumps(key["KeyPolicy"]), name
        assert "Fn::" not in json.dumps(key["KeyPolicy"]), name


# --- policies on resources ---


def test_every_queue_topic_and_bucket_refuses_callers_without_tls(resources):
    on = policies_by_resource(resources)
    every = {"AWS::SQS::Queue": "sqs:*", "AWS::SNS::Topic": "sns:Publish", "AWS::S3::Bucket": "s3:*"}
    for kind, action in every.items():
        for name in of_type(resources, kind):
            denied = [
                statement
                for statement in on.get(name, [])
                if statement["Effect"] == "Deny"
                and statement["Principal"] == "*"
                and actions(statement) == [action]
                and conditions(statement) == {"aws:securetransport": ["false"]}
            ]
            assert denied, f"{name} may be used without TLS"
            own = [{"Ref": name}, {"Fn::GetAtt": [name, "Arn"]}, "*"]
            assert any(resource in own for resource in listed(denied[0]["Resource"])), f"{name}: denies something else"


def test_a_bucket_refuses_for_its_objects_too(resources):
    on = policies_by_resource(resources)
    for name in of_type(resources, "AWS::S3::Bucket"):
        (denied,) = (s for s in on[name] if s["Effect"] == "Deny" and s["Sid"] == "TlsOnly")
        assert {"Fn::Sub": f"${{{name}.Arn}}/*"} in denied["Resource"], name


def test_no_policy_lets_in_everybody(resources):
    for name, held in policies_by_resource(resources).items():
        for statement in held:
            if statement["Effect"] == "Allow":
                assert statement["Principal"] not in ("*", {"AWS": "*"}), f"{name}: {statement['Sid']}"


def test_services_are_let_in_for_this_account_only(resources):
    """Else another account could make the service its deputy."""
    for name, held in policies_by_resource(resources).items():
        for statement in held:
            if statement["Effect"] != "Allow" or "Service" not in statement["Principal"]:
                continue
            where = conditions(statement)
            scopes = [
                str(value) for key, values in where.items() if "source" in key or "context" in key for value in values
            ]
            own = [s for s in scopes if ACCOUNT in s or "'Ref'" in s or "Fn::" in s]
            assert own, f"{name}: {statement['Sid']} lets in {statement['Principal']} for anybody"


def test_every_bucket_is_closed_to_the_public(resources):
    for name, bucket in of_type(resources, "AWS::S3::Bucket").items():
        blocked = bucket["PublicAccessBlockConfiguration"]
        wanted = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        assert [blocked.get(what) for what in wanted] == [True] * 4, name
        assert bucket["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}, name


# --- tags ---


def test_every_resource_that_can_be_tagged_says_what_it_belongs_to(resources, stage):
    """By the registry's word on the type, for what the SAM macro made as well."""
    tagged = 0
    for name, resource in resources.items():
        schema = schema_of(resource["Type"]) or {}
        tagging = schema.get("tagging", {})
        where = tagging.get("tagProperty", "/properties/Tags").rpartition("/")[2]
        if tagging.get("taggable") is False or where not in schema.get("properties", {}):
            continue
        tags = resource.get("Properties", {}).get(where, {})
        tags = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}
        assert tags.get("Environment") == stage, f"{name} ({resource['Type']}) has no Environment"
        assert tags.get("Service") == "defi-stream", f"{name} has no Service"
        assert "Version" in tags or f"/properties/{where}" in schema.get("createOnlyProperties", []), (
            f"{name} has no Version"
        )
        tagged += 1
    assert tagged > 100


# --- logs ---


def test_every_log_group_forgets(resources):
    for name, group in of_type(resources, "AWS::Logs::LogGroup").items():
        assert 1 <= group["RetentionInDays"] <= 731, name
