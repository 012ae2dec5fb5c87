"""Queues, their dead letters, their readers, and the topics."""

from __future__ import annotations

from typing import Any

import pytest

from chalicelib.settings import Settings
from tests.infrastructure.kinds import conditions, of_type, policies_by_resource, queue_of, resources_with

DAY = 24 * 3600


def dead_letters_of(resources: dict[str, Any]) -> dict[str, str]:
    """Whose dead letters go where: queues and subscriptions, by id."""
    sources = {**of_type(resources, "AWS::SQS::Queue"), **of_type(resources, "AWS::SNS::Subscription")}
    return {
        name: queue_of(properties["RedrivePolicy"]["deadLetterTargetArn"])
        for name, properties in sources.items()
        if "RedrivePolicy" in properties
    }


def arn(queue: dict[str, Any]) -> str:
    return f"arn:aws:sqs:us-east-1:123456789012:{queue['QueueName']}"


def function_behind(resources: dict[str, Any], mapping: dict[str, Any]) -> dict[str, Any]:
    """The function whose alias reads the queue. The alias has to be ``live``."""
    alias = resources[mapping["FunctionName"]["Ref"]]
    assert alias["Type"] == "AWS::Lambda::Alias", "reads past the alias"
    assert alias["Properties"]["Name"] == "live"
    function: dict[str, Any] = resources[alias["Properties"]["FunctionName"]["Ref"]]["Properties"]
    return function


@pytest.fixture
def queues(resources):
    return of_type(resources, "AWS::SQS::Queue")


@pytest.fixture
def readers(resources):
    """Each event source mapping, by the queue that it reads."""
    mappings = of_type(resources, "AWS::Lambda::EventSourceMapping")
    by_queue = {queue_of(mapping["EventSourceArn"]): mapping for mapping in mappings.values()}
    assert len(by_queue) == len(mappings), "two functions read one queue: each would see half"
    return by_queue


# --- dead letters ---


def test_every_queue_that_is_read_has_dead_letters_of_its_own(resources, queues, readers):
    into = dead_letters_of(resources)
    for name in readers:
        assert name in into, f"{name} has no dead letters"
    assert len(set(into.values())) == len(into), "two sources share their dead letters"
    assert set(into.values()) <= queues.keys()


def test_every_queue_is_read_or_holds_dead_letters(resources, queues, readers):
    """What is neither only fills."""
    holds = set(dead_letters_of(resources).values())
    assert queues.keys() - readers.keys() - holds == set()
    assert readers.keys() & holds == set(), "dead letters are read by a person, not by a function"


def test_dead_letters_take_from_their_own_source_only(resources, queues):
    for source, target in dead_letters_of(resources).items():
        allowed = queues[target]["RedriveAllowPolicy"]
        if source in queues:
            assert allowed == {"redrivePermission": "byQueue", "sourceQueueArns": [arn(queues[source])]}, target
        else:
            assert allowed == {"redrivePermission": "denyAll"}, f"{target} is a subscription's, no queue's"


def test_dead_letters_wait_as_long_as_they_can(resources, queues):
    """The clock of a message runs on when it moves: it may have spent all that its queue keeps it; a week remains."""
    for source, target in dead_letters_of(resources).items():
        assert queues[target]["MessageRetentionPeriod"] == 14 * DAY, target
        if source in queues:
            assert queues[source]["MessageRetentionPeriod"] <= 7 * DAY, source


def test_a_message_is_tried_five_times_at_least(resources, queues):
    for name, queue in queues.items():
        if "RedrivePolicy" in queue:
            assert queue["RedrivePolicy"]["maxReceiveCount"] >= 5, name


# --- readers ---


def test_a_batch_fails_message_by_message(resources, readers):
    for name, mapping in readers.items():
        function_behind(resources, mapping)
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name


def test_messages_stay_hidden_for_six_times_as_long_as_their_function_may_take(resources, queues, readers):
    for name, mapping in readers.items():
        timeout_s = function_behind(resources, mapping)["Timeout"]
        window_s = mapping.get("MaximumBatchingWindowInSeconds", 0)
        assert queues[name]["VisibilityTimeout"] >= 6 * timeout_s + window_s, name


def test_a_message_can_live_through_all_its_attempts(resources, queues, readers):
    """Else it would expire while it is retried, and never be seen among the dead letters."""
    for name in readers:
        queue = queues[name]
        longest_s = queue["RedrivePolicy"]["maxReceiveCount"] * queue["VisibilityTimeout"]
        assert queue["MessageRetentionPeriod"] > longest_s, name


def test_an_observation_is_remembered_for_longer_than_it_can_come_again(queues):
    """The sequencer knows it by its id: forgotten earlier, it would be published twice."""
    assert Settings.__dataclass_fields__["applied_seconds"].default > queues["EventsQueue"]["MessageRetentionPeriod"]


# --- topics ---


def test_what_is_published_arrives_as_it_was_sent_or_among_dead_letters(resources):
    on = policies_by_resource(resources)
    to_queues = {
        name: subscription
        for name, subscription in of_type(resources, "AWS::SNS::Subscription").items()
        if subscription["Protocol"] == "sqs"
    }
    assert to_queues
    for name, subscription in to_queues.items():
        assert subscription["RawMessageDelivery"] is True, name
        targets = [queue_of(subscription["Endpoint"]), queue_of(subscription["RedrivePolicy"]["deadLetterTargetArn"])]
        for queue in targets:
            lets_in = [
                statement
                for statement in on[queue]
                if statement["Effect"] == "Allow"
                and statement["Principal"] == {"Service": "sns.amazonaws.com"}
                and statement["Action"] == "sqs:SendMessage"
                and conditions(statement) == {"aws:sourcearn": [subscription["TopicArn"]]}
            ]
            assert lets_in, f"{queue} does not let in its topic"
        ready = resources[name]["DependsOn"]
        assert {queue for policy in ready for queue in queues_of(resources, policy)} == set(targets), name


def queues_of(resources: dict[str, Any], policy: str) -> list[str]:
    return [reference["Ref"] for reference in resources[policy]["Properties"]["Queues"]]


def test_the_key_lets_the_topic_deliver(resources):
    """Its policy knows the topic by name: another name, and messages would stay with the topic."""
    (topic,) = {
        subscription["TopicArn"]["Ref"]
        for subscription in of_type(resources, "AWS::SNS::Subscription").values()
        if subscription["Protocol"] == "sqs"
    }
    name = resources[topic]["Properties"]["TopicName"]
    statements = policies_by_resource(resources)["MessagingKey"]
    (delivers,) = (s for s in statements if s["Principal"] == {"Service": "sns.amazonaws.com"})
    assert conditions(delivers)["aws:sourcearn"] == [f"arn:aws:sns:us-east-1:123456789012:{name}"]
    assert set(delivers["Action"]) == {"kms:Decrypt", "kms:GenerateDataKey*"}


ALARMS = ("CriticalAlarmsTopic", "MajorAlarmsTopic", "MinorAlarmsTopic")


@pytest.mark.parametrize("topic", ALARMS)
def test_alarms_of_this_account_can_reach_their_topic(resources, topic):
    on = policies_by_resource(resources)
    alarms = {"Service": "cloudwatch.amazonaws.com"}
    (publishes,) = (s for s in on[topic] if s["Effect"] == "Allow" and s["Principal"] == alarms)
    assert publishes["Action"] == "sns:Publish"
    assert publishes["Resource"] == {"Ref": topic}
    assert conditions(publishes) == {
        "aws:sourceaccount": ["123456789012"],
        "aws:sourcearn": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:*"],
    }
    assert any("cloudwatch.amazonaws.com" in s["Principal"].get("Service", ()) for s in on["MessagingKey"])


def test_alarms_are_mailed_to_whoever_is_named(assembled, transformed):
    mailed = resources_with(assembled, transformed, AlarmEmail="someone@example.com")
    subscriptions = [s for s in of_type(mailed, "AWS::SNS::Subscription").values() if s["Protocol"] == "email"]
    assert {s["TopicArn"]["Ref"] for s in subscriptions} == set(ALARMS)
    assert {s["Endpoint"] for s in subscriptions} == {"someone@example.com"}
    silent = resources_with(assembled, transformed, AlarmEmail="")
    assert all(s["Protocol"] == "sqs" for s in of_type(silent, "AWS::SNS::Subscription").values())
