"""Rotation in Secrets Manager's four steps, each of which may come again."""

import itertools

import pytest
import structlog

from chalicelib.errors import RotationError
from chalicelib.services.rotation import POLL_S, RotateSecret, origin_secrets
from tests.fake_rotation import FakeEdge, FakeSecretVersions

STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
A, B = "x-origin-verify-a", "x-origin-verify-b"
OLD = "the value that the stack was made with"


class Rig:
    def __init__(self, *, looks: int = 0) -> None:
        self.versions = FakeSecretVersions(signing=OLD, a="a-1", b="b-1")
        self.edge = FakeEdge(looks=looks, x_origin_verify_a="a-1", x_origin_verify_b="b-1")
        self.waited: list[float] = []
        self.service = RotateSecret(
            versions=self.versions,
            edge=lambda: self.edge,
            token_secret_id="signing",
            origin_secrets=origin_secrets(("a", "b")),
            sleep=self.waited.append,
            monotonic=lambda: sum(self.waited),
        )

    def step(self, step: str, secret_id: str, version: str = "v2", *, deadline: float = 500) -> None:
        self.service.run(step=step, secret_id=secret_id, version=version, deadline=deadline)

    def rotate(self, secret_id: str, version: str = "v2") -> None:
        self.versions.begin(secret_id, version)
        for step in STEPS:
            self.step(step, secret_id, version)


@pytest.fixture
def rig() -> Rig:
    return Rig()


@pytest.mark.parametrize("secret_id", ["signing", "a", "b"])
def test_four_steps_make_a_new_value_current_and_keep_the_one_before(rig, secret_id):
    (before,) = rig.versions.live(secret_id)
    rig.rotate(secret_id)
    now, previous = rig.versions.live(secret_id)
    assert previous == before
    assert now not in (before, "")
    rig.rotate(secret_id, "v3")
    assert rig.versions.live(secret_id)[1] == now


def test_a_new_value_is_fit_for_a_header_and_for_signing_and_never_the_same(rig):
    for version in range(2, 12):
        rig.rotate("a", f"v{version}")
        rig.rotate("signing", f"v{version}")
    values = [*rig.versions.values["a"].values(), *rig.versions.values["signing"].values()][2:]
    assert len(set(values)) == len(values)
    made = [value for value in values if value not in ("a-1", OLD)]
    assert all(len(value) == 64 and value.replace("-", "").replace("_", "").isalnum() for value in made)


def test_an_origin_secret_is_sent_before_it_is_current(rig):
    rig.versions.begin("a", "v2")
    for step in STEPS[:2]:
        rig.step(step, "a")
    assert rig.edge.sent == {A: rig.versions.values["a"]["v2"], B: "b-1"}
    assert rig.versions.live("a") == ["a-1"]


def test_the_signing_key_has_nothing_to_be_set(rig):
    rig.rotate("signing")
    assert rig.edge.changes == []


@pytest.mark.parametrize("repeats", list(itertools.product([1, 2], repeat=4)))
@pytest.mark.parametrize("secret_id", ["signing", "a"])
def test_every_step_may_come_twice(rig, secret_id, repeats):
    rig.versions.begin(secret_id, "v2")
    for step, times in zip(STEPS, repeats, strict=True):
        for _ in range(times):
            rig.step(step, secret_id)
    assert len(rig.versions.live(secret_id)) == 2
    assert len(rig.edge.changes) == (secret_id == "a")


@pytest.mark.parametrize("done", range(4))
def test_a_rotation_that_broke_off_is_carried_to_its_end_from_the_beginning(rig, done):
    rig.versions.begin("a", "v2")
    for step in STEPS[:done]:
        rig.step(step, "a")
    for step in STEPS:
        rig.step(step, "a")
    assert rig.versions.live("a") == [rig.edge.sent[A], "a-1"]
    assert rig.edge.changes == [A]


def test_a_finished_rotation_is_not_begun_again(rig):
    rig.rotate("a")
    live = rig.versions.live("a")
    for step in STEPS:
        rig.step(step, "a")
    assert rig.versions.live("a") == live


def test_testing_waits_until_every_place_sends_the_new_value():
    rig = Rig(looks=6)
    rig.rotate("a")
    assert rig.waited == [POLL_S] * 6


def test_testing_gives_up_in_time_and_nothing_becomes_current():
    rig = Rig(looks=1000)
    rig.versions.begin("a", "v2")
    for step in STEPS[:2]:
        rig.step(step, "a")
    with pytest.raises(RotationError, match="not every place"):
        rig.step("testSecret", "a", deadline=95)
    assert sum(rig.waited) < 95
    assert rig.versions.live("a") == ["a-1"]


@pytest.mark.parametrize("step", STEPS[:2])
def test_one_origin_secret_holds_still_while_the_other_rotates(rig, step):
    rig.versions.begin("b", "v2")
    rig.versions.begin("a", "v2")
    rig.versions.put("a", "v2", "a-2")
    with pytest.raises(RotationError, match="hold still"):
        rig.step(step, "a")
    assert rig.edge.sent == {A: "a-1", B: "b-1"}


def test_no_rotation_begins_while_the_other_header_has_a_value_that_its_secret_does_not_hold(rig):
    """As after a rotation that was given up for good: only the header that would now change is still let in."""
    rig.versions.begin("a", "v2")
    for step in STEPS[:2]:
        rig.step(step, "a")
    rig.versions.labels["a"].pop("v2")
    rig.versions.begin("b", "v2")
    with pytest.raises(RotationError, match=f"the secret of {A} holds"):
        rig.step("createSecret", "b")
    assert "v2" not in rig.versions.values["b"]
    rig.versions.labels["b"].pop("v2")
    rig.rotate("a", "v3")
    rig.rotate("b", "v3")
    assert [rig.edge.sent[header] for header in (A, B)] == [rig.versions.live(name)[0] for name in ("a", "b")]


def test_a_value_that_was_overwritten_at_the_edge_does_not_become_current(rig):
    """As by a deployment in the middle of a rotation, which puts the current value back."""
    rig.versions.begin("a", "v2")
    for step in STEPS[:2]:
        rig.step(step, "a")
    rig.edge.send(A, "a-1")
    with pytest.raises(RotationError, match="not every place"):
        rig.step("testSecret", "a", deadline=10)


def test_a_schedule_that_is_made_tries_the_function_out(rig):
    """Secrets Manager calls testSecret alone, for a version that never gets a value."""
    for secret_id in ("signing", "a", "b"):
        rig.versions.begin(secret_id, "try")
        with structlog.testing.capture_logs() as lines:
            rig.step("testSecret", secret_id, "try")
        assert {"event": "rotation_tried_out", "deployed": True, "log_level": "info"} in lines
        assert len(rig.versions.live(secret_id)) == 1


@pytest.mark.parametrize("step", ["setSecret", "finishSecret"])
def test_nothing_is_done_with_a_version_that_has_no_value(rig, step):
    rig.versions.begin("a", "v2")
    with pytest.raises(RotationError, match="no value"):
        rig.step(step, "a")
    assert rig.versions.live("a") == ["a-1"]


def test_a_secret_of_others_is_not_touched(rig):
    with pytest.raises(RotationError, match="no secret that we rotate"):
        rig.step("createSecret", "another")


def test_a_secret_whose_rotation_is_off_is_not_touched(rig):
    rig.versions.begin("signing", "v2")
    rig.versions.rotates = False
    with pytest.raises(RotationError, match="off"):
        rig.step("createSecret", "signing")
    assert list(rig.versions.values["signing"]) == ["v1"]


def test_a_version_that_is_not_pending_is_not_touched(rig):
    rig.rotate("signing")
    for version, reason in (("v1", "not the pending one"), ("v9", "no such version")):
        with pytest.raises(RotationError, match=reason):
            rig.step("finishSecret", "signing", version)


def test_a_step_that_nobody_knows_is_refused(rig):
    rig.versions.begin("signing", "v2")
    with pytest.raises(RotationError, match="no step"):
        rig.step("deleteSecret", "signing")


def test_a_signing_key_that_is_too_short_does_not_become_current(rig):
    """Somebody may have put the pending value by hand."""
    rig.versions.begin("signing", "v2")
    rig.versions.put("signing", "v2", "short")
    with pytest.raises(RotationError, match="too short"):
        rig.step("testSecret", "signing")


def test_no_value_is_ever_logged(rig):
    with structlog.testing.capture_logs() as lines:
        for secret_id in ("signing", "a", "b"):
            rig.rotate(secret_id)
    values = [value for versions in rig.versions.values.values() for value in versions.values()]
    assert lines
    assert not [value for value in values if value in repr(lines)]


def test_without_an_edge_only_the_signing_key_is_rotated():
    assert origin_secrets(()) == {}
