"""Messages in, rows and archive out: nothing lost, nothing twice, poison alone."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest
from botocore.stub import Stubber

from chalicelib.adapters.s3 import S3RawArchive
from chalicelib.errors import PoisonError, StoreDownError
from chalicelib.protocol.envelopes import encode_observations
from chalicelib.services.history import LONGEST_WAIT_S, RecordHistory
from chalicelib.services.process import Message
from tests.fake_history import FakeArchive, FakeHistory
from tests.fake_results import FakeAnswers
from tests.fakes import FakeClock, FakeDeadLetters, FakeRetries, seen

ETH, DAI = "price:ethereum", "price:dai"


class Rig:
    def __init__(self, months: int = 0) -> None:
        self.clock, self.history, self.archive = FakeClock(), FakeHistory(), FakeArchive()
        self.dead_letters, self.retries = FakeDeadLetters(), FakeRetries()
        self.answers = FakeAnswers(self.clock)
        self.service = RecordHistory(
            writer=self.history,
            versions=self.answers,
            archive=self.archive,
            dead_letters=self.dead_letters,
            retries=self.retries,
            now=self.clock,
            months=months,
        )

    def message(self, name: str, *observations, receives: int = 1) -> Message:
        (body,) = encode_observations(observations)
        return Message(id=name, body=body.decode(), receipt=f"r-{name}", receives=receives, sent_ms=1)

    def seen(self, topic: str, value: str, **ago: float):
        return seen(topic, value, self.clock() - timedelta(**ago))

    def values(self, topic: str) -> list[str]:
        return sorted(str(of.value) for (name, _), of in self.history.seen.items() if name == topic)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_every_observation_is_recorded_and_archived_as_it_came(rig):
    messages = [rig.message("a", rig.seen(ETH, "1"), rig.seen(DAI, "2")), rig.message("b", rig.seen(ETH, "3"))]
    assert rig.service.run(messages).failed == set()
    assert (rig.values(ETH), rig.values(DAI)) == (["1", "3"], ["2"])
    assert [json.loads(record)["topic"] for record in rig.archive.kept["a"]] == [ETH, DAI]


def test_what_is_published_to_try_a_stage_out_is_no_history(rig):
    names = ("topic", "queue", "poll", "process", "record")
    report = rig.service.run([rig.message("a", *(rig.seen(f"feed:smoke:{name}", "1") for name in names))])
    assert (report.failed, report.new) == (set(), 1)
    assert rig.values("feed:smoke:record") == ["1"]  # by which a release shows that it can record


def test_a_message_that_comes_again_changes_nothing(rig):
    message = rig.message("a", rig.seen(ETH, "1"))
    assert [rig.service.run([message]).new for _ in range(2)] == [1, 0]


def test_while_the_database_is_away_messages_come_again_the_later_the_more_often_they_did(rig):
    rig.history.fails = [StoreDownError("away")]
    messages = [rig.message("a", rig.seen(ETH, "1"), receives=3), rig.message("b", rig.seen(DAI, "1"), receives=900)]
    assert rig.service.run(messages).failed == {"a", "b"}
    assert rig.retries.delays_s == {"r-a": 4, "r-b": LONGEST_WAIT_S}
    assert rig.archive.kept == {}  # it would be another version of the same object at every attempt


def test_a_message_that_the_archive_did_not_take_comes_again(rig):
    rig.archive.down = True
    assert rig.service.run([rig.message("a", rig.seen(ETH, "1"))]).failed == {"a"}


def test_what_the_database_can_never_keep_is_buried_alone(rig):
    items = [rig.seen(ETH, str(value)) for value in range(9)]
    rig.history.refused = {items[4].id: PoisonError("refused"), items[7].id: PoisonError("refused")}
    report = rig.service.run([rig.message("a", *items[:5]), rig.message("b", *items[5:])])
    assert (report.failed, report.new, report.poisoned) == (set(), 7, 2)
    assert [json.loads(record)["id"] for record, _, _ in rig.dead_letters.buried] == [items[4].id, items[7].id]


def test_a_record_that_cannot_be_read_is_buried_alone(rig):
    good = rig.message("a", rig.seen(ETH, "1"))
    bad = Message(id="a", body=good.body.replace('"records":[', '"records":[{"id":"x"},'))
    assert rig.service.run([bad]).new == 1
    ((record, reason, message_id),) = rig.dead_letters.buried
    assert (record, message_id) == (b'{"id":"x"}', "a")
    assert "not an observation" in reason


def test_a_message_that_cannot_be_read_is_buried_whole(rig):
    """Left alone it would come again a thousand times."""
    assert rig.service.run([Message(id="a", body="not JSON")]).failed == set()
    assert [json.loads(record) for record, _, _ in rig.dead_letters.buried] == ["not JSON"]


def test_what_cannot_be_buried_comes_again(rig):
    rig.dead_letters.down = True
    assert rig.service.run([Message(id="a", body="not JSON", receipt="r")]).failed == {"a"}


def test_what_is_said_to_be_of_the_future_is_poison(rig):
    """The newest value of a topic stays until a later one comes."""
    report = rig.service.run([rig.message("a", rig.seen(ETH, "1", hours=-2), rig.seen(ETH, "2", minutes=-30))])
    assert (report.poisoned, rig.values(ETH)) == (1, ["2"])


def test_what_is_older_than_is_kept_is_archived_only():
    rig = Rig(months=2)
    report = rig.service.run([rig.message("a", rig.seen(ETH, "1", days=100), rig.seen(ETH, "2", hours=1))])
    assert (report.expired, report.new, len(rig.archive.kept["a"])) == (1, 1, 2)


def test_a_users_own_alerts_are_no_history(rig):
    assert rig.service.run([rig.message("a", rig.seen("alerts:rule:7", "1"))]).new == 0


# --- the archive ---


def archive(aws_client) -> tuple[S3RawArchive, Stubber]:
    stubber = Stubber(aws_client)
    stubber.activate()
    return S3RawArchive(aws_client, "raw"), stubber


@pytest.fixture
def s3():
    import boto3

    return boto3.client("s3", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_a_message_has_one_object_whose_bytes_are_the_same_each_time(s3):
    kept, sent = [], []
    s3.meta.events.register("before-parameter-build.s3.PutObject", lambda params, **_: sent.append(dict(params)))
    store, stubber = archive(s3)
    for _ in range(2):
        stubber.add_response("put_object", {})
        store.keep([b'{"a":1}', b'{"b":2}'], message_id="m1", sent_at=datetime(2026, 3, 4, 23, 59, tzinfo=UTC))
        kept.append((sent[-1]["Key"], sent[-1]["Body"]))
    assert kept[0] == kept[1]
    assert kept[0][0] == "observations/2026/03/04/m1.jsonl.gz"
    assert gzip.decompress(kept[0][1]) == b'{"a":1}\n{"b":2}\n'


def test_an_archive_that_is_away_is_said_to_be(s3):
    store, stubber = archive(s3)
    stubber.add_client_error("put_object", "SlowDown", http_status_code=503)
    with pytest.raises(StoreDownError, match="did not take observations/2026"):
        store.keep([b"{}"], message_id="m", sent_at=datetime(2026, 1, 1, tzinfo=UTC))


def test_answers_made_of_a_topic_are_old_once_more_of_it_is_recorded(rig):
    def version(scope: str) -> str:
        return rig.answers.find(scope, [scope], owner="o", party="p", lease_ms=1).version

    before = {scope: version(scope) for scope in (ETH, "price:*", DAI)}
    rig.service.run([rig.message("a", rig.seen(ETH, "1"))])
    assert {scope: version(scope) != before[scope] for scope in before} == {ETH: True, "price:*": True, DAI: False}


def test_while_redis_is_down_history_is_recorded(rig):
    rig.answers.down = True
    assert rig.service.run([rig.message("a", rig.seen(ETH, "1"))]).failed == set()
    assert rig.values(ETH) == ["1"]
