"""Taking and restoring, on stores that are only remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.backups import census
from scripts.backups.catalogue import Catalogue, Folder, moment_of
from scripts.backups.census import Collection, Tally
from scripts.backups.restoring import SWITCHED, VERIFIED, Restore, UnequalError, choose
from scripts.backups.store import Kept
from scripts.backups.taking import back_up
from scripts.deployment.errors import RefusedError, StackError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
RECORDS = st.lists(st.binary(max_size=8), max_size=20)


def summed(records, **times):
    tally = Tally()
    for record in records:
        tally.add(record, **times)
    return tally.result()


class FakeStore:
    """Holds some records; ``breaks`` names the step at which it fails once."""

    def __init__(self, name, records=(b"a", b"b")):
        self.name = name
        self.serving = list(records)
        self.new = {}
        self.kept = {}
        self.before = None
        self.breaks = ""
        self.breaks_after_making = False
        self.calls = []
        self.exact = False
        self.hidden = False

    def back_up(self, backup):
        self._call("back_up")
        self.kept[backup] = list(self.serving)
        moment = datetime.strptime(backup, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).isoformat()
        counted = None if self.hidden else {"all": summed(self.serving)}
        return Kept(store=self.name, moment=moment, where={"backup": backup}, census=counted)

    def at(self, moment):
        return Kept(store=self.name, moment=moment.isoformat(), where={"backup": "exact"}) if self.exact else None

    def restore(self, kept, name):
        self._call("restore")
        self.new[name] = list(self.kept[kept.where["backup"]])
        if self.breaks_after_making:
            self.breaks_after_making = False
            raise KeyboardInterrupt
        return {"name": name}

    def census(self, candidate):
        self._call("census")
        return None if self.hidden else {"all": summed(self.new[candidate["name"]])}

    def switch(self, candidate):
        self._call("switch")
        self.before, self.serving = self.serving, self.new.pop(candidate["name"])
        return "kept aside"

    def discard(self, candidate):
        del self.new[candidate["name"]]

    def _call(self, step):
        self.calls.append(step)
        if step == self.breaks:
            self.breaks = ""
            raise StackError(f"{self.name} does not {step}")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return Catalogue(Folder(tmp_path), "local")


@pytest.fixture
def stores():
    return {name: FakeStore(name) for name in ("postgresql", "redis")}


def take(stores, catalogue, now=NOW, **options):
    return back_up(stores, list(stores), catalogue, say=lambda _: None, now=lambda: now, **options)


def begun(stores, catalogue, to="newest", now=NOW, **options):
    restore = Restore(stores, catalogue, say=lambda _: None, now=lambda: now)
    restore.begin(to, choose(stores, list(stores), to, catalogue), **options)
    return restore


# --- what is compared ---


@given(RECORDS)
def test_the_order_of_records_does_not_matter(records):
    assert summed(records) == summed(list(reversed(records)))


@given(RECORDS, st.binary(max_size=8), st.data())
def test_a_changed_a_lost_and_a_doubled_record_are_found(records, other, data):
    records = [b"one", *records]
    place = data.draw(st.integers(0, len(records) - 1))
    changed = [*records[:place], other + b"!" + records[place], *records[place + 1 :]]
    for wrong in (changed, records[:place] + records[place + 1 :], [*records, records[place]]):
        assert census.differences({"all": summed(records)}, {"all": summed(wrong)}, now=NOW)


def test_a_record_that_could_have_ended_by_itself_may_be_missing_and_no_other():
    soon = {"keys": summed([b"a", b"b"], expires=(NOW + timedelta(seconds=1)).isoformat())}
    found = {"keys": summed([b"a"])}
    assert census.differences(soon, found, now=NOW) == ["keys: 1 records instead of 2"]
    assert census.differences(soon, found, now=NOW + timedelta(seconds=2)) == []
    assert census.differences(soon, {"keys": summed([b"a", b"b", b"c"])}, now=NOW + timedelta(seconds=2))


def test_a_table_that_is_missing_is_a_difference_unless_it_was_empty():
    assert census.differences({"t": summed([b"a"])}, {}, now=NOW)
    assert census.differences({"t": Collection(0, "0" * 32)}, {}, now=NOW) == []


def test_an_older_newest_record_is_a_difference():
    one, other = (summed([b"a"], newest=f"2026-11-2{day}T00:00:00+00:00") for day in (2, 3))
    assert census.differences({"t": other}, {"t": one}, now=NOW)


# --- taking ---


def test_a_backup_that_was_broken_off_is_gone_on_with(stores, catalogue):
    stores["redis"].breaks = "back_up"
    with pytest.raises(StackError, match="redis does not"):
        take(stores, catalogue)
    backup = take(stores, catalogue, now=NOW + timedelta(hours=1))
    assert backup.id == "20261123T120000Z"
    assert stores["postgresql"].calls == ["back_up"], "what was kept is not kept again"
    assert catalogue.backups()[0].finished


def test_restart_begins_another(stores, catalogue):
    stores["redis"].breaks = "back_up"
    with pytest.raises(StackError):
        take(stores, catalogue)
    assert take(stores, catalogue, now=NOW + timedelta(hours=1), restart=True).id == "20261123T130000Z"


# --- choosing ---


def test_a_time_means_the_last_backup_before_it(stores, catalogue):
    for hours in (0, 2):
        take(stores, catalogue, now=NOW + timedelta(hours=hours))
    assert catalogue.kept("2026-11-23T13:59", "redis").where == {"backup": "20261123T120000Z"}
    assert catalogue.kept("2026-11-23T14:00:00+00:00", "redis").where == {"backup": "20261123T140000Z"}
    assert catalogue.kept("newest", "redis").where == {"backup": "20261123T140000Z"}
    with pytest.raises(RefusedError, match="20261123T140000Z, 20261123T120000Z"):
        catalogue.kept("2026-11-23T11:59", "redis")


def test_a_store_that_knows_its_past_goes_back_to_the_very_moment(stores, catalogue):
    take(stores, catalogue)
    stores["redis"].exact = True
    chosen = choose(stores, list(stores), "2026-11-23T12:30", catalogue)
    assert chosen["redis"].moment == "2026-11-23T12:30:00+00:00"
    assert chosen["postgresql"].moment == "2026-11-23T12:00:00+00:00"


@pytest.mark.parametrize("text", ["newest", "20261123T120000Z", "soon"])
def test_what_is_no_time_is_none(text):
    assert moment_of(text) is None


# --- restoring ---


def test_nothing_is_switched_unless_asked(stores, catalogue):
    take(stores, catalogue)
    stores["redis"].serving.append(b"later")
    restore = begun(stores, catalogue)
    restore.run(switches=False)
    assert {one.step for one in restore.progress.values()} == {VERIFIED}
    assert stores["redis"].serving == [b"a", b"b", b"later"]
    restore.run(switches=True)
    assert stores["redis"].serving == [b"a", b"b"]
    assert stores["redis"].before == [b"a", b"b", b"later"]


def test_one_store_that_is_not_equal_keeps_all_from_being_switched(stores, catalogue):
    backup = take(stores, catalogue)
    stores["redis"].kept[backup.id] = [b"a"]
    with pytest.raises(UnequalError, match="redis is not what was kept: all: 1 records instead of 2"):
        begun(stores, catalogue).run(switches=True)
    assert not any("switch" in store.calls for store in stores.values())


@pytest.mark.parametrize("step", ["restore", "census", "switch"])
def test_a_restore_that_was_broken_off_is_gone_on_with(stores, catalogue, step):
    take(stores, catalogue)
    stores["redis"].breaks = step
    with pytest.raises(StackError, match="redis does not"):
        begun(stores, catalogue).run(switches=True)
    restore = begun(stores, catalogue, now=NOW + timedelta(hours=1))
    restore.run(switches=True)
    assert restore.name == "20261123T120000Z"
    assert {one.step for one in restore.progress.values()} == {SWITCHED}
    assert stores["postgresql"].calls.count("restore") == stores["postgresql"].calls.count("switch") == 1


def test_a_newer_backup_is_not_mixed_up_with_a_restore_of_an_older_one(stores, catalogue):
    take(stores, catalogue)
    begun(stores, catalogue).run(switches=False)
    take(stores, catalogue, now=NOW + timedelta(hours=1))
    restore = begun(stores, catalogue, now=NOW + timedelta(hours=2))
    assert restore.name == "20261123T140000Z"
    assert {one.step for one in restore.progress.values()} == {""}


def test_a_finished_restore_is_not_taken_up_again(stores, catalogue):
    take(stores, catalogue)
    begun(stores, catalogue).run(switches=True)
    assert begun(stores, catalogue, now=NOW + timedelta(hours=1)).name == "20261123T130000Z"


def test_what_cannot_be_looked_into_is_switched_only_on_somebodys_word(stores, catalogue):
    stores["redis"].hidden = True
    take(stores, catalogue)
    restore = begun(stores, catalogue)
    with pytest.raises(RefusedError, match="--unverified"):
        restore.run(switches=True)
    assert "switch" not in stores["postgresql"].calls
    restore.run(switches=True, unverified=True)
    assert restore.progress["redis"].step == SWITCHED


def test_discard_removes_what_does_not_serve(stores, catalogue):
    take(stores, catalogue)
    restore = begun(stores, catalogue)
    restore.run(switches=False)
    again = Restore(stores, catalogue, say=lambda _: None)
    again.discard()
    with pytest.raises(RefusedError, match="no restore"):
        again.discard()
    assert all(store.new == {} for store in stores.values())
    assert begun(stores, catalogue, now=NOW + timedelta(hours=1)).name == "20261123T130000Z"


def test_discard_finds_the_restores_that_another_was_begun_after(stores, catalogue):
    """On AWS they are paid for until somebody remembers them."""
    said = []
    take(stores, catalogue)
    begun(stores, catalogue).run(switches=False)
    take(stores, catalogue, now=NOW + timedelta(hours=1))
    other = Restore(stores, catalogue, say=said.append, now=lambda: NOW + timedelta(hours=2))
    other.begin("newest", choose(stores, list(stores), "newest", catalogue))
    other.run(switches=False)
    assert "restore 20261123T120000Z is left as it is" in said[0]
    assert all(len(store.new) == 2 for store in stores.values())
    Restore(stores, catalogue, say=said.append).discard()
    assert all(store.new == {} for store in stores.values())


def test_discard_removes_what_was_broken_off_while_it_was_made(stores, catalogue):
    take(stores, catalogue)
    stores["redis"].breaks_after_making = True
    with pytest.raises(KeyboardInterrupt):
        begun(stores, catalogue).run(switches=False)
    assert stores["redis"].new
    Restore(stores, catalogue, say=lambda _: None).discard()
    assert all(store.new == {} for store in stores.values())


def test_a_backup_that_is_not_there_is_told_from_a_time_before_all(stores, catalogue):
    take(stores, catalogue)
    for to, says in (("yesterday", "named 'yesterday'"), ("2020-01-01", "before 2020-01-01")):
        with pytest.raises(RefusedError, match=says):
            catalogue.kept(to, "redis")


def test_collections_that_changed_while_they_were_counted_are_not_compared(stores, catalogue):
    """Whether the copy has the change nobody knows."""
    backup = take(stores, catalogue)
    kept = backup.stores["redis"]
    backup.stores["redis"] = Kept(store="redis", moment=kept.moment, where=kept.where, census={}, uncounted=("all",))
    catalogue.keep(backup)
    restore = begun(stores, catalogue)
    restore.run(switches=True)
    assert restore.progress["redis"].step == SWITCHED
