"""cfn-lint, checkov and cfn-guard find nothing that is not excused with a reason, and can find something."""

import copy
import re

import pytest

from . import linters
from .conftest import deployed_variants
from .linters import GUARD, Finding, Suppression, idle, suppressions, unexcused
from .linting import FAULTY

pytestmark = pytest.mark.timeout(300)  # the first test may wait for all three tools over all templates
TOOLS = ("cfn-lint", "checkov", "guard")


@pytest.fixture(scope="session")
def templates():
    """What would be deployed, by variant."""
    return deployed_variants()


@pytest.fixture(scope="session")
def found(linting):
    """What each tool says, by template; every test that asks for it comes last."""
    return {"cfn-lint": linting.cfn_lint(), "checkov": linting.checkov(), "guard": linting.guard()}


@pytest.fixture(scope="session")
def verdicts(found):
    return found["guard"]


@pytest.fixture(scope="session")
def findings(found, verdicts):
    """By tool and variant."""
    told = {**found, "guard": {name: verdict.findings for name, verdict in verdicts.items()}}
    return {tool: {name: of for name, of in by_name.items() if name != FAULTY} for tool, by_name in told.items()}


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_is_found_that_is_not_excused(findings, tool):
    excuses = suppressions(tool)
    left = {variant: unexcused(variant, found, excuses) for variant, found in findings[tool].items()}
    assert [f"{variant}: {finding}" for variant, found in left.items() for finding in found] == []


@pytest.mark.parametrize("tool", TOOLS)
def test_no_excuse_outlives_its_finding(findings, tool):
    assert idle(findings[tool], suppressions(tool)) == []


def test_with_a_domain_no_old_tls_is_left():
    """The excuse for CloudFront's own certificate does not cover a stage that has a domain."""
    (excuse,) = [excuse for excuse in suppressions("checkov") if excuse.rule == "CKV_AWS_174"]
    assert not excuse.covers("domain", Finding("CKV_AWS_174", "Distribution", ""))


def test_an_excuse_needs_a_reason(monkeypatch, tmp_path):
    monkeypatch.setattr(linters, "HERE", tmp_path)
    (tmp_path / "suppressions").mkdir()
    (tmp_path / "suppressions" / "checkov.txt").write_text("CKV_AWS_1 Database\n")
    with pytest.raises(ValueError, match="needs a rule, a resource and a reason"):
        suppressions("checkov")


def test_an_excuse_covers_its_stage_and_resource_only():
    excuse = Suppression("R", "dev:Database,Queue", "a reason of enough words")
    assert excuse.covers("dev", Finding("R", "Database", ""))
    assert excuse.covers("production", Finding("R", "Queue", ""))
    assert not excuse.covers("production", Finding("R", "Database", ""))
    assert not excuse.covers("dev", Finding("S", "Database", ""))


def test_cfn_lint_finds_a_wrong_property(found):
    told = [(finding.rule, finding.resource) for finding in found["cfn-lint"][FAULTY]]
    assert told == [("E3012", "EventsQueue")]


def test_checkov_finds_a_public_bucket(found):
    assert "CKV_AWS_53" in {finding.rule for finding in found["checkov"][FAULTY]}


# --- cfn-guard: every rule applies, and every clause of it can fail ---


def test_every_rule_applies_to_something(verdicts):
    """A rule whose type is misspelt would hold for ever."""
    assert verdicts["domain"].not_applicable == frozenset()
    assert verdicts["domain"].compliant == frozenset(rules_of_the_files())


def rules_of_the_files():
    return re.findall(r"^rule (\w+)", "".join(path.read_text() for path in GUARD.glob("*.guard")), re.MULTILINE)


REMOVE = object()

# A rule, a type or a resource, where in it, and what to write there.
BREAKS = [
    ("queues_are_encrypted", "AWS::SQS::Queue", "Properties.KmsMasterKeyId", REMOVE),
    ("topics_are_encrypted", "AWS::SNS::Topic", "Properties.KmsMasterKeyId", REMOVE),
    ("tables_are_encrypted", "AWS::DynamoDB::Table", "Properties.SSESpecification.SSEEnabled", False),
    ("tables_are_encrypted", "AWS::DynamoDB::Table", "Properties.SSESpecification.KMSMasterKeyId", REMOVE),
    ("buckets_are_encrypted", "AWS::S3::Bucket", "Properties.BucketEncryption", REMOVE),
    ("databases_are_encrypted", "AWS::RDS::DBInstance", "Properties.StorageEncrypted", False),
    ("databases_are_encrypted", "AWS::RDS::DBInstance", "Properties.KmsKeyId", REMOVE),
    ("databases_are_encrypted", "AWS::RDS::DBInstance", "Properties.MasterUserSecret", REMOVE),
    ("databases_are_encrypted", "AWS::RDS::DBInstance", "Properties.MasterUserPassword", "hunter2"),
    ("caches_are_encrypted", "AWS::ElastiCache::ReplicationGroup", "Properties.AtRestEncryptionEnabled", False),
    ("caches_are_encrypted", "AWS::ElastiCache::ReplicationGroup", "Properties.KmsKeyId", REMOVE),
    ("secrets_are_encrypted", "AWS::SecretsManager::Secret", "Properties.KmsKeyId", REMOVE),
    ("logs_are_encrypted", "AWS::Logs::LogGroup", "Properties.KmsKeyId", REMOVE),
    ("keys_rotate", "AWS::KMS::Key", "Properties.EnableKeyRotation", False),
    ("caches_speak_tls", "AWS::ElastiCache::ReplicationGroup", "Properties.TransitEncryptionEnabled", False),
    ("databases_speak_tls", "AWS::RDS::DBParameterGroup", "Properties.Parameters.rds@force_ssl", "0"),
    (
        "viewers_speak_tls",
        "AWS::CloudFront::Distribution",
        "Properties.DistributionConfig.DefaultCacheBehavior.ViewerProtocolPolicy",
        "allow-all",
    ),
    (
        "viewers_speak_tls",
        "AWS::CloudFront::Distribution",
        "Properties.DistributionConfig.CacheBehaviors.0.ViewerProtocolPolicy",
        "allow-all",
    ),
    (
        "origins_speak_tls",
        "AWS::CloudFront::Distribution",
        "Properties.DistributionConfig.Origins.1.CustomOriginConfig.OriginProtocolPolicy",
        "match-viewer",
    ),
    (
        "origins_speak_tls",
        "AWS::CloudFront::Distribution",
        "Properties.DistributionConfig.Origins.1.CustomOriginConfig.OriginSSLProtocols",
        ["TLSv1.1", "TLSv1.2"],
    ),
    ("buckets_refuse_clear_text", "AWS::S3::BucketPolicy", "Properties.PolicyDocument.Statement", []),
    ("queues_refuse_clear_text", "AWS::SQS::QueuePolicy", "Properties.PolicyDocument.Statement", []),
    ("topics_refuse_clear_text", "AWS::SNS::TopicPolicy", "Properties.PolicyDocument.Statement", []),
    ("state_is_retained", "AWS::DynamoDB::Table", "DeletionPolicy", "Delete"),
    ("state_is_retained", "AWS::S3::Bucket", "UpdateReplacePolicy", REMOVE),
    ("state_is_retained", "AWS::SecretsManager::Secret", "DeletionPolicy", REMOVE),
    ("state_is_retained", "AWS::KMS::Key", "DeletionPolicy", REMOVE),
    ("stores_are_snapshotted", "AWS::RDS::DBInstance", "DeletionPolicy", "Delete"),
    ("stores_are_snapshotted", "AWS::ElastiCache::ReplicationGroup", "UpdateReplacePolicy", REMOVE),
    ("tables_can_be_restored", "AWS::DynamoDB::Table", "Properties.PointInTimeRecoverySpecification", REMOVE),
    ("buckets_are_versioned", "AWS::S3::Bucket", "Properties.VersioningConfiguration.Status", "Suspended"),
    ("buckets_are_versioned", "AWS::S3::Bucket", "Properties.LifecycleConfiguration", REMOVE),
    ("databases_are_backed_up", "AWS::RDS::DBInstance", "Properties.BackupRetentionPeriod", 0),
    ("logs_expire", "AWS::Logs::LogGroup", "Properties.RetentionInDays", REMOVE),
    *[
        ("buckets_are_not_public", "AWS::S3::Bucket", f"Properties.PublicAccessBlockConfiguration.{flag}", False)
        for flag in ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    ],
    ("databases_are_private", "AWS::RDS::DBInstance", "Properties.PubliclyAccessible", True),
    ("subnets_give_no_public_address", "AWS::EC2::Subnet", "Properties.MapPublicIpOnLaunch", True),
    ("the_internet_reaches_443_only", "LoadBalancerFromInternet", "Properties.FromPort", 22),
    ("the_internet_reaches_443_only", "LoadBalancerFromInternet", "Properties.ToPort", 65535),
    ("groups_have_no_default_egress", "AWS::EC2::SecurityGroup", "Properties.SecurityGroupEgress", REMOVE),
    (
        "groups_have_no_default_egress",
        "AWS::EC2::SecurityGroup",
        "Properties.SecurityGroupEgress.0.CidrIp",
        "0.0.0.0/0",
    ),
    ("roles_name_their_actions", "AWS::IAM::Role", "Properties.Policies.0.PolicyDocument.Statement.0.Action", "*"),
    ("roles_name_their_actions", "AWS::IAM::Role", "Properties.Policies.0.PolicyDocument.Statement.0.Action", "s3:*"),
    (
        "roles_name_their_actions",
        "AWS::IAM::Role",
        "Properties.Policies.0.PolicyDocument.Statement.0.Action",
        ["s3:GetObject", "sqs:*"],
    ),
    ("functions_know_their_callers", "AWS::Lambda::Permission", "Properties.Principal", "*"),
    ("functions_run_as_decided", "AWS::Lambda::Function", "Properties.Runtime", "python3.11"),
    ("functions_run_as_decided", "AWS::Lambda::Function", "Properties.Architectures", ["x86_64"]),
    ("functions_run_as_decided", "AWS::Lambda::Function", "Properties.Role", REMOVE),
    ("functions_are_traced", "AWS::Lambda::Function", "Properties.TracingConfig.Mode", "PassThrough"),
    ("batches_fail_in_part", "AWS::Lambda::EventSourceMapping", "Properties.FunctionResponseTypes", REMOVE),
    ("queues_try_five_times", "AWS::SQS::Queue", "Properties.RedrivePolicy.maxReceiveCount", 1),
    ("resources_are_tagged", "AWS::SQS::Queue", "Properties.Tags", REMOVE),
    ("resources_are_tagged", "AWS::Lambda::Function", "Properties.Tags", [{"Key": "Environment", "Value": "dev"}]),
    ("apis_are_tagged", "AWS::ApiGatewayV2::Api", "Properties.Tags.Version", REMOVE),
]


def broken(templates, kind, path, value):
    """A template with one resource of a kind, whole but for one property; None if no resource has the way to it."""
    *way, last = path.split(".")
    for name, resource in templates["domain"]["Resources"].items():
        if kind in (name, resource["Type"]):
            resource = copy.deepcopy(resource)
            try:
                holder = resource
                for step in way:
                    holder = holder[int(step) if step.isdigit() else step]
                key = int(last) if last.isdigit() else last.replace("@", ".")
                if value is REMOVE:
                    del holder[key]
                else:
                    holder[key] = value
            except (KeyError, IndexError):
                continue
            return {"Resources": {name: resource}}
    return None


def test_every_clause_of_every_rule_can_fail(templates):
    made = {
        f"{rule} {kind} {path} {number}": broken(templates, kind, path, value)
        for number, (rule, kind, path, value) in enumerate(BREAKS)
    }
    assert [name for name, template in made.items() if template is None] == []
    told = linters.guard(made)
    held = [name for name, verdict in told.items() if name.split()[0] not in {f.rule for f in verdict.findings}]
    assert held == []
    assert {rule for rule, *_ in BREAKS} == set(rules_of_the_files())
