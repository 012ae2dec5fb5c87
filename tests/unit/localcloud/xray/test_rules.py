"""A laptop can trace as much as a stage does."""

import json

import pytest

from localcloud.xray.rules import sampler_of, template_rules
from localcloud.xray.sampling import STAGE, Rule

TEMPLATE = """
Parameters:
  TracedShare: {Type: Number, Default: 0.05}
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Quiet:
    Type: AWS::XRay::SamplingRule
    Properties:
      SamplingRule:
        {RuleName: !Sub "quiet-${Stage}", Priority: 10, FixedRate: !Ref TracedShare, ReservoirSize: 1, Host: "*",
        HTTPMethod: "*", URLPath: "*", ResourceARN: "*", ServiceName: sweep, ServiceType: "*", Version: 1}
  Loud:
    Type: AWS::XRay::SamplingRule
    Condition: IsProduction
    Properties: {SamplingRule: {RuleName: loud, Priority: 1, FixedRate: 1, ReservoirSize: 1}}
"""


@pytest.fixture
def parts(tmp_path):
    (tmp_path / "parameters").mkdir()
    (tmp_path / "stage.yaml").write_text("Parameters:\n  Stage: {Type: String}\n")
    (tmp_path / "tracing.yaml").write_text(TEMPLATE)
    for stage, share in (("dev", "0.5"), ("production", "0.01")):
        (tmp_path / "parameters" / f"{stage}.json").write_text(json.dumps({"TracedShare": share}))
    return tmp_path


def test_the_rules_are_those_of_the_stage(parts):
    assert template_rules(parts, "dev") == [Rule("quiet-dev", priority=10, rate=0.5, reservoir=1, service="sweep")]
    assert [(rule.name, rule.rate) for rule in template_rules(parts, "production")] == [
        ("quiet-production", 0.01),
        ("loud", 1.0),
    ]


@pytest.mark.parametrize(("choice", "expected"), [("all", 20), ("none", 0)])
def test_all_or_nothing_needs_no_template(choice, expected):
    sampler = sampler_of(choice)
    assert sum(sampler.decide(service="process", arn="arn:x") for _ in range(20)) == expected


def test_the_projects_own_rules_know_the_laptops_stage():
    """By the name that its segments have: a check of a machine is never traced."""
    rules = sampler_of("template").rules
    asked = ("rest/api", STAGE, "", "localhost", "GET", "/v1/health")
    assert next(rule for rule in rules if rule.matches(*asked)).rate == 0
    assert rules[-1].name == "Default"


def test_another_choice_is_refused():
    with pytest.raises(ValueError, match="all, template, none"):
        sampler_of("some")
