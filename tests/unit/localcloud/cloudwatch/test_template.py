"""The alarms of a template, with what intrinsics stand for."""

import json

import pytest

from localcloud.cloudwatch.errors import TemplateError
from localcloud.cloudwatch.template import load_template, read_alarms
from localcloud.cloudwatch.verdict import State

YAML = """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Stage: {Type: String, Default: dev}
  Limit: {Type: Number, Default: 200}
  Topic: {Type: String}
Conditions:
  IsProduction: !Equals [!Ref Stage, prod]
  IsQuiet: !Not [!Or [!Condition IsProduction, !Equals [!Ref Stage, staging]]]
Mappings:
  Periods:
    dev: {Long: 300}
    prod: {Long: 60}
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Backlog:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmName: !Sub "${Stage}-Backlog"
      AlarmDescription: !Join ["/", [docs, !Ref Stage]]
      Namespace: AWS/SQS
      MetricName: ApproximateNumberOfMessagesVisible
      Dimensions:
        - {Name: QueueName, Value: !GetAtt Queue.QueueName}
        - {Name: Url, Value: !Ref Queue}
        - !If [IsProduction, {Name: Extra, Value: "1"}, !Ref AWS::NoValue]
      Statistic: Maximum
      Period: !FindInMap [Periods, !Ref Stage, Long]
      EvaluationPeriods: !Select [1, [2, 3]]
      ComparisonOperator: GreaterThanThreshold
      Threshold: !Ref Limit
      AlarmActions: [!Ref Topic]
  OnlyInProduction:
    Type: AWS::CloudWatch::CompositeAlarm
    Condition: IsProduction
    Properties: {AlarmRule: "TRUE"}
  Quiet:
    Type: AWS::CloudWatch::CompositeAlarm
    Condition: IsQuiet
    Properties:
      AlarmRule: !Sub ["ALARM(${Backlog}) AND NOT ALARM(${other})", {other: !GetAtt Backlog.Arn}]
"""


def _written(folder, text):
    path = folder / "template"
    path.write_text(text)
    return path


def test_alarms_are_read_with_parameters_conditions_and_names_for_resources(tmp_path):
    template = load_template(_written(tmp_path, YAML))
    backlog, quiet = read_alarms(template, {"Topic": "arn:topic", "Queue.QueueName": "dev-queue"})
    assert (backlog.name, backlog.description) == ("dev-Backlog", "docs/dev")
    assert (backlog.threshold, backlog.period_s, backlog.rule.periods) == (200, 300, 3)
    assert dict(backlog.queries[0].shows.metric.dimensions) == {"QueueName": "dev-queue", "Url": "Queue"}
    assert backlog.actions.of[State.ALARM] == ("arn:topic",)
    assert (quiet.name, quiet.rule.children) == ("Quiet", ("dev-Backlog",))


def test_a_condition_chooses_the_alarms(tmp_path):
    template = load_template(_written(tmp_path, YAML))
    alarms = read_alarms(template, {"Topic": "arn:topic", "Stage": "prod"})
    assert [alarm.name for alarm in alarms] == ["prod-Backlog", "OnlyInProduction"]
    assert dict(alarms[0].queries[0].shows.metric.dimensions)["Extra"] == "1"


def test_the_same_template_in_json_and_yaml_holds_the_same_alarms(tmp_path):
    from_yaml = load_template(_written(tmp_path, YAML))
    from_json = load_template(_written(tmp_path, json.dumps(from_yaml)))
    assert from_json == from_yaml


def test_every_alarm_that_cannot_be_read_is_named_at_once(tmp_path):
    template = load_template(_written(tmp_path, YAML))
    template["Resources"]["Second"] = template["Resources"]["Backlog"]
    template["Resources"]["Quiet"]["Properties"]["AlarmRule"] = "MAYBE"
    with pytest.raises(TemplateError) as caught:
        read_alarms(template)
    assert "Topic is no resource, and a parameter without a value; give it one (in Backlog, Second)" in str(
        caught.value
    )
    assert str(caught.value).endswith("(in Quiet)")


@pytest.mark.parametrize(
    ("node", "named"),
    [
        ({"Fn::Cidr": ["10.0.0.0/8", 1]}, "Fn::Cidr has no value here"),
        ({"Fn::GetAtt": "Nobody.Arn"}, "no resource 'Nobody'"),
        ({"Fn::FindInMap": ["Periods", "qa", "Long"]}, "Periods at qa, Long"),
        ({"Fn::If": ["IsBlue", 1, 2]}, "no condition 'IsBlue'"),
    ],
)
def test_an_intrinsic_without_a_value_is_named(tmp_path, node, named):
    template = load_template(_written(tmp_path, YAML))
    template["Resources"]["Backlog"]["Properties"]["Threshold"] = node
    with pytest.raises(TemplateError, match=named):
        read_alarms(template, {"Topic": "arn:topic"})


@pytest.mark.parametrize("text", ["", "[]", "{", "Resources: []", "a: [", "Resources: !!python/object:x {}"])
def test_what_is_no_template_is_refused(tmp_path, text):
    with pytest.raises(TemplateError, match="template"):
        load_template(_written(tmp_path, text))
