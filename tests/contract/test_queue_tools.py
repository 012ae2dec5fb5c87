"""An operator's look at queues, and dead letters sent back: on the queues of the template itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scripts import queues as command
from scripts.deployment.account import Account
from scripts.deployment.errors import RefusedError, StackError
from scripts.deployment.stack import Stack
from scripts.operations.place import Place
from scripts.operations.queues import Queues

DEAD, SOURCE = "gone-dead-letters", "gone"


@pytest.fixture(scope="module")
def place(ministack) -> Place:
    account = Account(ministack.aws.client)
    return Place("contract", account, Stack(account.client("cloudformation"), "contract"))


@pytest.fixture
def queues(place) -> Iterator[Queues]:
    pauses: list[float] = []
    found = Queues(place, sleep=pauses.append)
    found.pauses = pauses
    for name in (DEAD, SOURCE):
        place.client("sqs").purge_queue(QueueUrl=found.named(name).url)
    yield found
    for name in (DEAD, SOURCE):
        place.client("sqs").purge_queue(QueueUrl=found.named(name).url)


def fill(place: Place, queues: Queues, count: int, *, body: str = "") -> list[str]:
    bodies = [body or json.dumps({"n": n}) for n in range(count)]
    for text in bodies:
        place.client("sqs").send_message(
            QueueUrl=queues.named(DEAD).url,
            MessageBody=text,
            MessageAttributes={"kind": {"DataType": "String", "StringValue": "price"}},
        )
    return bodies


def run(queues: Queues, *line: str) -> int:
    return command.run(command.parser().parse_args(["local", *line]), queues)


def test_every_queue_of_the_stack_is_found_with_where_its_dead_letters_go(queues, place):
    found = {queue.name: queue for queue in queues.all()}
    assert len(found) == len(place.of_type("AWS::SQS::Queue"))
    assert (found[SOURCE].dead_letters, found[DEAD].source) == (DEAD, SOURCE)
    assert found["observations-dead-letters"].source is None  # a topic's
    assert {name for name, queue in found.items() if queue.is_for_dead_letters} == {
        name for name in found if name.endswith("-dead-letters")
    }


def test_a_peek_shows_messages_and_leaves_them(queues, place):
    bodies = fill(place, queues, 3)
    for _ in range(2):
        assert [message.body for message in queues.peek(queues.named(DEAD), 5)] == bodies
    assert queues.named(DEAD).waiting == 3


def test_a_peek_at_a_queue_that_is_at_work_has_to_be_meant(queues):
    with pytest.raises(RefusedError, match="--at-work"):
        run(queues, "peek", SOURCE)


def test_a_redrive_brings_bodies_and_attributes_back_and_empties_the_dead_letters(queues, place):
    bodies = fill(place, queues, 12)
    assert run(queues, "redrive", DEAD) == 0
    assert queues.named(DEAD).waiting == 0
    back = place.client("sqs").receive_message(
        QueueUrl=queues.named(SOURCE).url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    )["Messages"]
    assert {one["Body"] for one in back} < set(bodies)
    assert all(one["MessageAttributes"]["kind"]["StringValue"] == "price" for one in back)


def test_a_redrive_keeps_its_limit_and_its_rate(queues, place):
    fill(place, queues, 7)
    assert run(queues, "redrive", DEAD, "--limit", "4", "--per-second", "2") == 0
    assert (queues.named(DEAD).waiting, queues.named(SOURCE).waiting) == (3, 4)
    assert sum(queues.pauses) == 2.0


def test_a_dry_run_moves_nothing_and_says_how_long_it_would_take(queues, place, capsys):
    fill(place, queues, 3)
    assert run(queues, "redrive", DEAD, "--dry-run", "--per-second", "1") == 0
    assert "3 messages from gone-dead-letters to gone, 3 s" in capsys.readouterr().out
    assert queues.named(DEAD).waiting == 3


def test_large_messages_are_sent_in_requests_that_sqs_takes(queues, place):
    fill(place, queues, 4, body="x" * 150_000)
    sent: list[int] = []
    place.client("sqs").meta.events.register(
        "before-parameter-build.sqs.SendMessageBatch",
        lambda params, **_: sent.append(sum(len(each["MessageBody"]) for each in params["Entries"])),
        unique_id="sizes",
    )
    assert queues.redrive(queues.named(DEAD), queues.named(SOURCE), limit=4, per_s=100) == 4
    place.client("sqs").meta.events.unregister("before-parameter-build.sqs.SendMessageBatch", unique_id="sizes")
    assert sent == [150_000] * 4


def test_what_is_refused_stays_a_dead_letter(queues, place, monkeypatch):
    fill(place, queues, 2)
    refused = {"Failed": [{"Id": "1", "Code": "Odd", "Message": "no", "SenderFault": True}]}
    monkeypatch.setattr(queues._sqs, "send_message_batch", lambda **_: refused)
    monkeypatch.setattr("scripts.operations.queues.HOLD_S", 0)
    with pytest.raises(StackError, match="did not take 1 messages: no"):
        queues.redrive(queues.named(DEAD), queues.named(SOURCE), limit=2, per_s=100)
    assert queues.named(DEAD).waiting == 1


def test_what_came_from_a_topic_needs_to_be_told_where_to_go(queues):
    with pytest.raises(RefusedError, match="--to"):
        run(queues, "redrive", "observations-dead-letters")


def test_only_dead_letters_are_purged_and_only_with_yes(queues, place):
    fill(place, queues, 2)
    with pytest.raises(RefusedError, match="at work"):
        run(queues, "purge", SOURCE, "--yes")
    assert run(queues, "purge", DEAD) == 0
    assert queues.named(DEAD).waiting == 2
    assert run(queues, "purge", DEAD, "--yes") == 0
    assert queues.named(DEAD).waiting == 0


def test_a_list_of_dead_letters_says_by_its_exit_code_whether_there_are_any(queues, place):
    for other in queues.all():
        if other.is_for_dead_letters:
            place.client("sqs").purge_queue(QueueUrl=other.url)
    assert run(queues, "list", "--dead") == 0
    fill(place, queues, 1)
    assert run(queues, "list", "--dead") == 1


def test_an_unknown_queue_is_answered_with_those_that_there_are(queues):
    with pytest.raises(RefusedError, match=r"no queue 'evnts'; there are alerts, .*, deliveries"):
        queues.named("evnts")


def test_without_a_platform_it_says_how_to_start_one():
    line = [sys.executable, "-m", "scripts.queues", "local", "list", "--port", "1"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "make run" in done.stderr
