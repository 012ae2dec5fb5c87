"""Each store, backed up, changed, restored beside and switched, on the real thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
import redis

from scripts.backups import census
from scripts.backups.bucket import VersionedBucket
from scripts.backups.catalogue import Folder
from scripts.backups.dynamodb import DynamoTables
from scripts.backups.postgresql import LocalPostgresql
from scripts.backups.rdb import LocalRedis
from scripts.deployment.errors import StackError
from scripts.deployment.waiting import Waiting

RESTORE = "20261123T130000Z"


def equal(kept, found):
    assert kept.census is not None
    assert census.differences(kept.census, found, now=datetime.now(UTC)) == []


# --- PostgreSQL ---


@pytest.fixture
def history(postgres_server):
    """A database of the test's own, with a table and somebody connected to it."""
    name = f"backup_{uuid4().hex[:8]}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC")
    url = postgres_server.url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE seen (id int PRIMARY KEY, at timestamptz NOT NULL, value numeric)")
        connection.execute("INSERT INTO seen SELECT i, '2026-01-01'::timestamptz, i FROM generate_series(1, 500) i")
    yield url
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        for (each,) in connection.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s", (f"{name}%",)
        ).fetchall():
            connection.execute(f"DROP DATABASE {each} WITH (FORCE)")


def rows(url, statement="SELECT count(*) FROM seen"):
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(statement).fetchone()[0]


def test_a_database_comes_back_as_it_was_and_the_other_is_kept(history, tmp_path):
    store = LocalPostgresql(history, tmp_path)
    kept = store.back_up("one")
    with psycopg.connect(history, autocommit=True) as open_all_the_time:
        open_all_the_time.execute("DELETE FROM seen WHERE id > 10")
        candidate = store.restore(kept, RESTORE)
        equal(kept, store.census(candidate))
        assert rows(history) == 10, "what serves is not touched before the switch"
        store.switch(candidate)
    assert rows(history) == 500
    assert rows(history.rpartition("/")[0] + f"/{candidate['before']}") == 10
    grants = "SELECT has_database_privilege('public', current_database(), 'TEMPORARY')"
    assert rows(history, grants) is False, "who may what is the database's, not its tables'"


def test_a_dump_and_its_count_are_of_one_moment(history, tmp_path):
    """Rows that come between the two would make every backup of a busy database unequal to itself."""
    store = LocalPostgresql(history, tmp_path)
    with psycopg.connect(history, autocommit=True) as writer, psycopg.connect(history) as reader:
        reader.execute("SELECT 1")
        writer.execute("INSERT INTO seen VALUES (501, now(), 1)")
        kept = store.back_up("one")
        writer.execute("INSERT INTO seen VALUES (502, now(), 1)")
    candidate = store.restore(kept, RESTORE)
    equal(kept, store.census(candidate))
    assert kept.census["public.seen"].count == 501


def test_one_changed_row_is_found(history, tmp_path):
    store = LocalPostgresql(history, tmp_path)
    kept = store.back_up("one")
    candidate = store.restore(kept, RESTORE)
    with psycopg.connect(store._at(candidate["database"]), autocommit=True) as connection:
        connection.execute("UPDATE seen SET value = value + 1 WHERE id = 250")
    told = census.differences(kept.census, store.census(candidate), now=datetime.now(UTC))
    assert told == ["public.seen: as many records, but not the same"]


def test_a_switch_that_was_done_may_be_asked_for_again(history, tmp_path):
    store = LocalPostgresql(history, tmp_path)
    candidate = store.restore(store.back_up("one"), RESTORE)
    assert store.switch(candidate) == store.switch(candidate)
    assert rows(history) == 500


def test_a_dump_that_is_gone_is_said(history, tmp_path):
    store = LocalPostgresql(history, tmp_path)
    kept = store.back_up("one")
    (tmp_path / "one" / "postgresql.dump").unlink()
    with pytest.raises(StackError, match="is gone"):
        store.restore(kept, RESTORE)


# --- Redis ---


@pytest.fixture
def filled(own_redis):
    """Keys of every kind, as the stream has them, on a server of the test's own."""
    with redis.Redis.from_url(own_redis.url) as client:
        client.hset("fence", mapping={"run_id": client.info("server")["run_id"], "generation": "old"})
        client.hset("topic:price:bitcoin", mapping={"offset": 7, "observed_ms": 1_795_000_000_000})
        client.rpush("log:price:bitcoin", "a", "b")
        client.sadd("topics:price:*", *(f"price:{number}" for number in range(600)))
        client.zadd("group:price:*|0|", {"connection": 1.5})
        client.set("applied:1", "7", px=600_000)
        yield client


def test_redis_comes_back_as_it_was_in_another_generation(filled, own_redis, tmp_path):
    """With the old one clients would drop the offsets that are given again."""
    store = LocalRedis(own_redis.url, tmp_path)
    kept = store.back_up("one")
    filled.hset("topic:price:bitcoin", "offset", 9)
    filled.set("later", "x")
    candidate = store.restore(kept, RESTORE)
    equal(kept, store.census(candidate))
    assert filled.hget("topic:price:bitcoin", "offset") == b"9", "what serves is not touched before the switch"
    store.switch(candidate)
    assert filled.hget("topic:price:bitcoin", "offset") == b"7"
    assert filled.exists("later") == 0
    assert filled.scard("topics:price:*") == 600
    assert 0 < filled.pttl("applied:1") <= 600_000
    fence = filled.hgetall("fence")
    assert fence[b"generation"] != b"old"
    assert fence[b"run_id"].decode() == filled.info("server")["run_id"], "nobody raises it a second time"


def test_what_redis_held_before_is_kept_as_a_snapshot(filled, own_redis, tmp_path):
    store = LocalRedis(own_redis.url, tmp_path)
    kept = store.back_up("one")
    filled.set("later", "x")
    candidate = store.restore(kept, RESTORE)
    store.switch(candidate)
    before = store.census({"file": candidate["before"]})
    assert before["later"].count == 1


def test_keys_are_counted_by_kind_and_those_that_end_by_themselves_apart(filled, own_redis, tmp_path):
    found = LocalRedis(own_redis.url, tmp_path).back_up("one").census
    assert {name: one.count for name, one in found.items()} == {
        "applied (passing)": 1,
        "fence": 1,
        "group": 1,
        "log": 1,
        "topic": 1,
        "topics": 1,
    }
    assert found["topic"].newest == datetime.fromtimestamp(1_795_000_000, UTC).isoformat()


# --- DynamoDB, S3 ---


CEILING = {"MaxReadRequestUnits": 1000, "MaxWriteRequestUnits": 500}


@pytest.fixture
def tables(ministack):
    client = ministack.aws.client("dynamodb")
    name = f"backup-{uuid4().hex[:8]}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        OnDemandThroughput=CEILING,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    client.update_time_to_live(TableName=name, TimeToLiveSpecification={"AttributeName": "expires_at", "Enabled": True})
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    for number in range(60):
        client.put_item(TableName=name, Item={"id": {"S": str(number)}, "tags": {"SS": ["b", "a"]}, "n": {"N": "1.50"}})
    return client, name, DynamoTables(client, [name], exact=False, waiting=Waiting(every_s=0.02, limit_s=20))


def test_a_table_that_is_there_gets_back_its_items_and_no_others(tables):
    client, name, store = tables
    kept = store.back_up("one")
    client.delete_item(TableName=name, Key={"id": {"S": "1"}})
    client.put_item(TableName=name, Item={"id": {"S": "2"}, "n": {"N": "9"}})
    client.put_item(TableName=name, Item={"id": {"S": "later"}})
    candidate = store.restore(kept, RESTORE)
    equal(kept, store.census(candidate))
    assert kept.census[name].count == 60
    store.switch(candidate)
    equal(kept, {name: store.counted(name)})
    assert candidate["tables"][name]["table"] not in client.list_tables()["TableNames"]
    names = [one["BackupName"] for one in client.list_backups(TableName=name)["BackupSummaries"]]
    assert f"before-{RESTORE}-{name}" in names


def test_a_table_that_is_gone_is_made_again_under_its_name_with_its_settings(tables):
    client, name, store = tables
    kept = store.back_up("one")
    client.delete_table(TableName=name)
    store.switch(store.restore(kept, RESTORE))
    equal(kept, {name: store.counted(name)})
    assert client.describe_table(TableName=name)["Table"]["OnDemandThroughput"] == CEILING
    assert client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]["AttributeName"] == "expires_at"
    told = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert told["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"


def test_a_table_that_changes_while_it_is_counted_says_so(tables, monkeypatch):
    client, name, store = tables
    make = client.create_backup

    def and_write(**arguments):
        client.put_item(TableName=name, Item={"id": {"S": "meanwhile"}})
        return make(**arguments)

    monkeypatch.setattr(client, "create_backup", and_write)
    kept = store.back_up("one")
    assert (kept.census, kept.uncounted) == ({}, (name,))


@pytest.fixture
def bucket(ministack, tmp_path):
    client, name = ministack.aws.client("s3"), f"backup-{uuid4().hex[:8]}"
    client.create_bucket(Bucket=name)
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    for number in range(20):
        client.put_object(Bucket=name, Key=f"observations/{number}", Body=b"x" * number, ContentEncoding="gzip")
    return client, name, Folder(tmp_path), tmp_path / "bodies"


def empty(client, name):
    """For good."""
    found = client.list_object_versions(Bucket=name)
    for one in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]:
        client.delete_object(Bucket=name, Key=one["Key"], VersionId=one["VersionId"])


def held(client, name):
    found = client.list_objects_v2(Bucket=name).get("Contents", [])
    return {one["Key"]: client.get_object(Bucket=name, Key=one["Key"])["Body"].read() for one in found}


def test_objects_come_back_from_their_versions(bucket):
    client, name, documents, _ = bucket
    store, before = VersionedBucket(client, name, documents, "local"), held(client, name)
    kept = store.back_up("one")
    client.delete_object(Bucket=name, Key="observations/3")
    client.put_object(Bucket=name, Key="observations/4", Body=b"wrong")
    client.put_object(Bucket=name, Key="observations/later", Body=b"later")
    candidate = store.restore(kept, RESTORE)
    equal(kept, store.census(candidate))
    assert "observations/3" not in held(client, name), "what serves is not touched before the switch"
    store.switch(candidate)
    assert held(client, name) == before
    assert client.get_object(Bucket=name, Key="observations/3")["ContentEncoding"] == "gzip"


def test_a_moment_is_brought_back_without_a_backup(bucket):
    """S3 tells times by the second, so the change has to be of a later one."""
    client, name, documents, _ = bucket
    store, before = VersionedBucket(client, name, documents, "local"), held(client, name)
    newest = max(one["LastModified"] for one in client.list_object_versions(Bucket=name)["Versions"])
    versions = {one["Key"]: one["VersionId"] for one in client.list_object_versions(Bucket=name)["Versions"]}
    kept = store.at(newest)
    assert kept.census[name].count == len(before)
    assert store.at(newest - timedelta(days=1)).census[name].count == 0
    manifest = documents.read(kept.where["manifest"])
    assert {key: one["version"] for key, one in manifest["objects"].items()} == versions


def test_objects_whose_versions_are_gone_come_back_from_their_content(bucket):
    client, name, documents, bodies = bucket
    store, before = VersionedBucket(client, name, documents, "local", bodies=bodies), held(client, name)
    kept = store.back_up("one")
    empty(client, name)
    store.switch(store.restore(kept, RESTORE))
    assert held(client, name) == before


def test_without_a_copy_of_their_content_it_is_said_where_they_are(bucket):
    client, name, documents, _ = bucket
    store = VersionedBucket(client, name, documents, "local")
    kept = store.back_up("one")
    empty(client, name)
    with pytest.raises(StackError, match="from the backup vault"):
        store.restore(kept, RESTORE)
