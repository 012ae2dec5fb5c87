"""The alarms of a template, with what intrinsics stand for."""

import json

import pytest

from localcloud.cloudwatch.errors import TemplateError
from localcloud.cloudwatch.intrinsics import Intrinsics
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
    assert "Topic is no resource, and a parameter without a value; give it one" in str(caught.value)
    assert "(--parameter Topic=VALUE) (in Backlog, Second)" in str(caught.value)
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


VALUES = """
Parameters:
  Yes: {Type: String, Default: true}
  Names: {Type: CommaDelimitedList, Default: "a, b,c"}
  Ports: {Type: List<Number>, Default: "80,443"}
Conditions:
  IsYes: !Equals [!Ref Yes, "true"]
  IsBroken: !Not []
  On: !And [!Condition IsYes, !Not [!Equals [no, off]]]
Mappings:
  Accounts: {012: {Good: one}, "true": {1: two}}
Resources:
  Named: {Type: AWS::Lambda::Function, Condition: On, Properties: {FunctionName: !Sub "${AWS::StackName}-fn"}}
  Macro: {Type: AWS::Serverless::Function}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: news}}
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Join [".", [!Ref Macro, fifo]]}}
"""


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Named"}, "stack-fn"),
        ({"Ref": "Macro"}, "Macro"),
        ({"Ref": "Topic"}, "Topic"),  # an ARN on AWS, not the name
        ({"Fn::GetAtt": ["Topic", "TopicName"]}, "news"),
        ({"Fn::GetAtt": "Queue.QueueName"}, "Macro.fifo"),
        ({"Fn::GetAtt": "Macro.Arn"}, "Macro.Arn"),
        ({"Fn::Sub": "${Named}:${Queue.QueueName}:${!Named}:${Yes}"}, "stack-fn:Macro.fifo:${Named}:true"),
        ({"Ref": "Names"}, ["a", "b", "c"]),
        ({"Fn::Select": ["1", {"Ref": "Ports"}]}, "443"),
        ({"Fn::Join": ["-", {"Ref": "Names"}]}, "a-b-c"),
        ({"Fn::Select": [0, {"Fn::Split": [",", "x,y"]}]}, "x"),
        *(({"Fn::If": ["IsYes", 1, 2]}, 1), ({"Fn::If": ["On", 1, 2]}, 1)),
        ({"Fn::FindInMap": ["Accounts", "012", "Good"]}, "one"),
        ({"Fn::FindInMap": ["Accounts", {"Ref": "Yes"}, 1]}, "two"),
        ({"Fn::FindInMap": ["Accounts", "13", "Good", {"DefaultValue": {"Ref": "Macro"}}]}, "Macro"),
        ({"Fn::ImportValue": {"Fn::Sub": "${AWS::StackName}-topic"}}, "stack-topic"),
        ([{"Ref": "AWS::NoValue"}, {"a": {"Ref": "AWS::NoValue"}, "b": 1}], [{"b": 1}]),
    ],
)
def test_an_intrinsic_has_the_value_that_the_template_states(tmp_path, node, value):
    assert Intrinsics(load_template(_written(tmp_path, VALUES)), {}).value(node) == value


def test_what_is_given_goes_before_what_the_template_states(tmp_path):
    given = {"Named": "mine", "Queue.QueueName": "yours", "Names": "x,y", "stack-topic": "arn:topic"}
    intrinsics = Intrinsics(load_template(_written(tmp_path, VALUES)), given)
    nodes = [{"Ref": "Named"}, {"Fn::GetAtt": "Queue.QueueName"}, {"Ref": "Names"}, {"Fn::ImportValue": "stack-topic"}]
    assert intrinsics.value(nodes) == ["mine", "yours", ["x", "y"], "arn:topic"]


@pytest.mark.parametrize(
    "node",
    [
        *({"Fn::Select": [index, {"Ref": "Names"}]} for index in (3, -1, "x")),
        *({"Fn::If": wrong} for wrong in ("", ["IsYes", 1], ["IsBroken", 1, 2])),
        *({"Fn::Join": 1}, {"Fn::Sub": ["${a}"]}, {"Fn::Split": [","]}, {"Fn::FindInMap": ["Accounts"]}),
        *({"Fn::Sub": []}, {"Ref": ["Named"]}, {"Fn::FindInMap": ["Nothing", "1", "2"]}),
    ],
)
def test_an_intrinsic_that_is_written_wrongly_is_refused(tmp_path, node):
    with pytest.raises(TemplateError):
        Intrinsics(load_template(_written(tmp_path, VALUES)), {}).value({"a": [node]})


def test_the_parts_of_a_template_are_put_together(tmp_path):
    texts = ("Parameters: {A: {Type: String}}", "Resources: {Q: {Type: AWS::SQS::Queue}}", "Resources: {R: {Type: A}}")
    parts = [tmp_path / str(number) for number in range(3)]
    for part, text in zip(parts, texts, strict=True):
        part.write_text(text)
    assert load_template(*parts) == {
        "Parameters": {"A": {"Type": "String"}},
        "Resources": {"Q": {"Type": "AWS::SQS::Queue"}, "R": {"Type": "A"}},
    }
    with pytest.raises(TemplateError, match="2: R, of another part too"):
        load_template(*parts, parts[2])
    with pytest.raises(TemplateError, match="no Resources"):
        load_template(parts[0])


def test_json_that_is_yaml_only_is_read_too(tmp_path):
    assert load_template(_written(tmp_path, "{Resources: {Q: {Type: AWS::SQS::Queue}}}"))["Resources"]["Q"]


def test_a_loop_of_resources_is_refused_rather_than_left_out(tmp_path):
    text = "Resources: {'Fn::ForEach::Alarms': [Name, [a, b], {'${Name}': {Type: AWS::CloudWatch::Alarm}}]}"
    with pytest.raises(TemplateError, match="Fn::ForEach"):
        load_template(_written(tmp_path, text))


@pytest.mark.parametrize("text", ["", "[]", "{", "Resources: []", "a: [", "Resources: !!python/object:x {}"])
def test_what_is_no_template_is_refused(tmp_path, text):
    with pytest.raises(TemplateError, match="template"):
        load_template(_written(tmp_path, text))
