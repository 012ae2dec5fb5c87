"""Batches in, partial batch failures out, in the exact shape that Lambda reads."""

from __future__ import annotations

import json
import time

import msgspec

from chalicelib.errors import StoreDownError
from chalicelib.handlers.queues import REQUEUE_RESERVE_S
from chalicelib.protocol.envelopes import DeliveryJob, Frame, GoneMessage, TickMessage, encode, encode_observations
from tests.fake_endpoints import endpoint_of, message_of
from tests.fakes import seen
from tests.unit.handlers.rig import Context, batch, event

ETH = "price:ethereum"
DONE = {"batchItemFailures": []}


def failures(*ids):
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in ids]}


def observed(invoke, *figures):
    (body,) = encode_observations([seen(topic, value, invoke.rig.clock()) for topic, value in figures])
    return body.decode()


def job_for(*connections):
    update = msgspec.Raw(json.dumps({"topic": ETH}).encode())
    return encode(DeliveryJob(id="j", frames=[Frame(to=list(connections), updates=[0])], updates=[update])).decode()


def test_an_empty_message_is_done(invoke):
    for function in ("process", "deliver"):
        assert invoke(function, batch()) == DONE
    assert invoke("process", event("sqs_batch")) == DONE


def test_observations_become_jobs_for_their_subscribers(invoke):
    invoke.rig.connect()
    invoke.rig.ask("subscribe", topics=["price:*"])
    assert invoke("process", batch(observed(invoke, (ETH, "100")), observed(invoke, ("price:dai", "1")))) == DONE
    assert [update["topic"] for update in invoke.rig.jobs.updates("c")] == [ETH, "price:dai"]


def test_a_message_that_cannot_be_read_fails_alone(invoke):
    assert invoke("process", batch("nonsense", observed(invoke, (ETH, "100")), "{}")) == failures("m0", "m2")
    assert invoke.rig.store.topics[ETH].offset == 1


def test_a_failed_message_comes_back_sooner_the_less_often_it_failed(invoke):
    invoke.rig.store.down = {"sequence"}
    assert invoke("process", batch(observed(invoke, (ETH, "100")), receives=4)) == failures("m0")
    assert invoke.container.retries.delays_s == {"r0": 8}


def test_frames_reach_the_gateway(invoke):
    assert invoke("deliver", batch(job_for("a", "b"))) == DONE
    assert [post.connection for post in invoke.rig.connections.posts] == ["a", "b"]
    assert json.loads(invoke.rig.connections.posts[0].body)["updates"] == [{"topic": ETH}]


def test_a_job_that_cannot_be_read_fails_alone(invoke):
    assert invoke("deliver", batch("nonsense", job_for("a"), '{"v":2}')) == failures("m0", "m2")
    assert [post.connection for post in invoke.rig.connections.posts] == ["a"]


def test_what_was_not_sent_in_time_is_a_new_job_and_the_message_is_done(invoke):
    invoke.rig.connections.busy = {"b"}
    assert invoke("deliver", batch(job_for("a", "b"))) == DONE
    assert [(job.attempt, job.frames[0].to) for job in invoke.rig.jobs.jobs] == [(1, ["b"])]


def test_a_delivery_keeps_time_to_put_back_what_is_left(invoke, monkeypatch):
    deadlines = []
    post_all = invoke.rig.connections.post_all
    monkeypatch.setattr(
        invoke.rig.connections,
        "post_all",
        lambda posts, *, deadline, **rest: deadlines.append(deadline) or post_all(posts, deadline=deadline, **rest),
    )
    before = time.monotonic()
    invoke("deliver", batch(job_for("a")))
    (deadline,) = deadlines
    left_s = Context.get_remaining_time_in_millis() / 1000
    assert before <= deadline - (left_s - REQUEUE_RESERVE_S) <= time.monotonic()
    assert REQUEUE_RESERVE_S == 7.0


def test_only_the_message_whose_rest_cannot_be_put_back_comes_again(invoke):
    invoke.rig.connections.busy = {"b"}
    invoke.rig.jobs.takes = lambda _: False
    assert invoke("deliver", batch("nonsense", job_for("a"), job_for("b"))) == failures("m0", "m2")


def test_who_is_gone_is_reported_and_pruned(invoke):
    invoke.rig.connect("a")
    invoke.rig.connections.gone = {"a"}
    invoke("deliver", batch(job_for("a", "b")))
    assert invoke.container.gone.gone == ["a"]
    assert invoke("prune", batch(encode(GoneMessage(connections=["a"])).decode(), "nonsense")) == failures("m1")
    assert invoke.rig.store.sessions == {}


def test_a_prune_that_the_store_did_not_take_comes_again(invoke):
    invoke.rig.store.down = {"forget"}
    assert invoke("prune", batch(encode(GoneMessage(connections=["a"])).decode())) == failures("m0")


def test_a_tick_flushes_its_slot(invoke):
    invoke.rig.connect()
    invoke.rig.ask("subscribe", topics=[ETH], rate="5s")
    invoke.rig.see(ETH, "100", "101")
    slot = invoke.rig.store.now_ms() // 5000 + 1
    invoke.rig.clock.forward(seconds=5)
    assert invoke("tick", batch(encode(TickMessage(rate=5, slot=slot)).decode())) == DONE
    assert [update["value"] for update in invoke.rig.jobs.updates("c")] == ["101"]


def test_a_tick_that_cannot_be_flushed_comes_again_and_no_other(invoke):
    tick = encode(TickMessage(rate=5, slot=1)).decode()
    assert invoke("tick", batch("nonsense", tick)) == failures("m0")
    invoke.rig.store.down = {"flush"}
    assert invoke("tick", batch(tick)) == failures("m0")


def test_observations_are_recorded(invoke):
    assert invoke("record", batch(observed(invoke, (ETH, "100")), "nonsense")) == DONE
    assert [topic for topic, _ in invoke.container.history.seen] == [ETH]
    assert len(invoke.container.dead_letters.buried) == 1


def test_what_is_not_recorded_comes_again(invoke):
    invoke.container.history.fails = [StoreDownError("away")]
    assert invoke("record", batch(observed(invoke, (ETH, "100")), receives=3)) == failures("m0")
    assert invoke.container.retries.delays_s == {"r0": 4}


def test_a_notification_is_told_and_one_that_cannot_be_read_is_left_to_the_dead_letters(invoke):
    hook = endpoint_of("ada")
    invoke.container.rig.endpoints.create(hook, limit=1)
    told = msgspec.json.encode(message_of(hook)).decode()
    assert invoke("notify", batch(told, "nonsense")) == failures("m1")
    assert [sent.message_id for sent in invoke.container.webhooks.sent] == ["msg_firing_en_1"]


def test_what_was_not_evaluated_comes_again(invoke):
    invoke.container.evaluate.fails = {"m1": 2}
    assert invoke("evaluate", batch("{}", "{}", receives=3)) == failures("m1")
    assert [(message.id, message.receives) for message in invoke.container.evaluate.messages] == [("m0", 3), ("m1", 3)]
