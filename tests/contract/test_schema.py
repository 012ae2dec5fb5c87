"""Changes of the schema, on a real PostgreSQL: all or nothing, one at a time, forwards only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg
import pytest

from chalicelib.adapters import schema as adapter
from chalicelib.adapters.postgres.owner import ATTEMPTS, LOGINS
from chalicelib.adapters.schema import AlembicSchema
from chalicelib.errors import SchemaError, StoreDownError
from chalicelib.ports import Migration
from chalicelib.services.schema import MigrateSchema
from localcloud.processes import free_port
from tests.contract.databases import OWNER, Database
from tests.fakes import FakeSecrets


def soon() -> float:
    return time.monotonic() + 60


def test_an_empty_database_gets_every_revision_in_order(database):
    schema = database.schema("CREATE TABLE a (n int)", "ALTER TABLE a RENAME TO b")
    assert schema.current(deadline=soon()) is None
    assert schema.upgrade("r2", deadline=soon()) == Migration(None, "r2")
    assert schema.current(deadline=soon()) == schema.head() == "r2"
    assert database.tables() == {"alembic_version", "b"}


def test_a_second_time_changes_nothing(database):
    schema = database.schema("CREATE TABLE a (n int)")
    schema.upgrade("r1", deadline=soon())
    assert schema.upgrade("r1", deadline=soon()) == Migration("r1", "r1")


def test_a_revision_that_fails_leaves_nothing_of_itself_nor_of_those_before_it(database):
    database.schema("CREATE TABLE a (n int)").upgrade("r1", deadline=soon())
    schema = database.schema("CREATE TABLE a (n int)", "CREATE TABLE b (n int)", "CREATE TABLE a (n int)")
    with pytest.raises(SchemaError, match='r3 failed and was undone: relation "a" already exists'):
        schema.upgrade("r3", deadline=soon())
    assert schema.current(deadline=soon()) == "r1"
    assert database.tables() == {"alembic_version", "a"}


def test_of_several_at_once_one_does_the_work_and_the_others_wait_for_it(database):
    schemas = [database.schema("CREATE TABLE a AS SELECT 1 FROM pg_sleep(0.2)") for _ in range(4)]
    together, done = threading.Barrier(len(schemas)), []

    def upgrade(schema: AlembicSchema) -> None:
        together.wait()
        done.append(schema.upgrade("r1", deadline=soon()))

    threads = [threading.Thread(target=upgrade, args=(schema,)) for schema in schemas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done, key=str) == [Migration("r1", "r1")] * 3 + [Migration(None, "r1")]


def test_an_older_revision_is_never_gone_back_to(database):
    schema = database.schema("CREATE TABLE a (n int)", "CREATE TABLE b (n int)")
    schema.upgrade("r2", deadline=soon())
    assert schema.upgrade("r1", deadline=soon()) == Migration("r2", "r2", ahead=True)
    assert "b" in database.tables()


def test_a_package_that_does_not_know_the_newer_revision_leaves_it(database):
    """As in a rollback: the older release's migrate is called on the newer schema."""
    database.schema("CREATE TABLE a (n int)", "CREATE TABLE b (n int)").upgrade("r2", deadline=soon())
    older = database.schema("CREATE TABLE a (n int)")
    assert older.upgrade("r1", deadline=soon()) == Migration("r2", "r2", ahead=True)
    assert older.current(deadline=soon()) == "r2"


def test_a_revision_that_is_not_in_the_package_is_refused(database):
    with pytest.raises(SchemaError, match="r7 is not in this package, whose newest is r1"):
        database.schema("CREATE TABLE a (n int)").upgrade("r7", deadline=soon())
    assert database.tables() == set()


def test_the_server_ends_a_statement_at_the_deadline(database):
    schema = database.schema("CREATE TABLE a (n int)", "SELECT pg_sleep(100)")
    with pytest.raises(SchemaError, match="statement timeout"):
        schema.upgrade("r2", deadline=time.monotonic() + 0.5)
    assert database.tables() == set()


def test_no_statement_begins_after_the_deadline(database):
    with pytest.raises(SchemaError, match="out of time"):
        database.schema("CREATE TABLE a (n int)").upgrade("r1", deadline=time.monotonic() - 1)
    assert database.tables() == set()


def test_a_change_gives_up_when_it_would_keep_queries_waiting(database, monkeypatch):
    monkeypatch.setattr(adapter, "LOCK_TIMEOUT", "50ms")
    database.query("CREATE TABLE a (n int)")
    url = f"postgresql://postgres@127.0.0.1:{database.server.port}/{database.name}"
    with psycopg.connect(url) as reader:
        reader.execute("SELECT * FROM a")
        with pytest.raises(SchemaError, match="lock timeout"):
            database.schema("ALTER TABLE a ADD COLUMN m int").upgrade("r1", deadline=soon())


def test_an_unreachable_database_is_named_after_a_few_attempts(database):
    postgres = database.postgres(port=free_port())
    with pytest.raises(StoreDownError, match=r"127\.0\.0\.1:\d+ cannot be reached: .*refused"):
        AlembicSchema(postgres).upgrade("r0001", deadline=soon())
    assert len(database.waits) == ATTEMPTS - 1


def test_a_secret_that_cannot_be_read_yet_is_read_again(database):
    class Late(FakeSecrets):
        """Refuses twice: IAM knows a new role a little later."""

        refusals = 2

        def values(self, secret_id: str, *, max_age_s: float = 300) -> Sequence[str]:
            self.refusals -= 1
            if self.refusals >= 0:
                raise StoreDownError("Secrets Manager cannot be read")
            return super().values(secret_id, max_age_s=max_age_s)

    schema = AlembicSchema(database.postgres(secrets=Late(owner=[OWNER])))
    assert schema.current(deadline=soon()) is None
    with pytest.raises(StoreDownError, match="has no value"):
        AlembicSchema(database.postgres(secrets=FakeSecrets())).current(deadline=soon())


@pytest.fixture
def asks_keeper_for_a_password(database: Database) -> Iterator[None]:
    """It is "before"."""
    (path,) = database.query("SHOW hba_file")[0]
    trusting = "host all postgres 127.0.0.1/32 trust"
    database.query("CREATE ROLE keeper LOGIN SUPERUSER PASSWORD 'before'")
    _set_rules(database, path, f"{trusting}|host all keeper 127.0.0.1/32 scram-sha-256")
    yield
    _set_rules(database, path, "host all all 127.0.0.1/32 trust")


OLD, NEW = (json.dumps({"username": "keeper", "password": word}) for word in ("before", "after"))


@pytest.mark.usefixtures("asks_keeper_for_a_password")
def test_either_password_is_good_while_it_is_changed(database):
    """The new one is in the secret before, or only after, it is the database's."""
    with database.postgres(NEW, OLD).transaction(soon()) as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar() == "keeper"
    assert database.waits == []


@pytest.mark.usefixtures("asks_keeper_for_a_password")
def test_a_password_that_the_secret_does_not_hold_yet_is_waited_for(database):
    class Late(FakeSecrets):
        def values(self, secret_id: str, *, max_age_s: float = 300) -> Sequence[str]:
            return [NEW] if len(database.waits) < LOGINS - 1 else [OLD]

    with database.postgres(secrets=Late()).transaction(soon()) as connection:
        assert connection.exec_driver_sql("SELECT current_user").scalar() == "keeper"


@pytest.mark.usefixtures("asks_keeper_for_a_password")
def test_a_wrong_password_is_tried_only_as_often_as_a_change_of_it_needs(database):
    with pytest.raises(StoreDownError, match="password authentication failed") as caught:
        database.postgres(NEW, NEW).transaction(soon()).__enter__()
    assert len(database.waits) == LOGINS - 1
    assert "after" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"secrets": FakeSecrets(owner=[OLD])}, 'role "keeper" does not exist'),
        ({"name": "nowhere"}, 'database "nowhere" does not exist'),
    ],
)
def test_what_the_server_will_say_again_is_not_asked_again(database, changes, reason):
    with pytest.raises(StoreDownError, match=reason):
        database.postgres(**changes).transaction(soon()).__enter__()
    assert database.waits == []


def test_a_server_with_no_connection_to_spare_is_asked_again(database):
    database.query("CREATE ROLE keeper LOGIN CONNECTION LIMIT 0")
    with pytest.raises(StoreDownError, match="too many connections"):
        database.postgres(OLD).transaction(soon()).__enter__()
    assert len(database.waits) == ATTEMPTS - 1


def _set_rules(database: Database, path: str, rules: str) -> None:
    """Write pg_hba.conf; a connection made after the reload was asked for may still meet the old rules."""
    database.query(f"COPY (SELECT unnest(string_to_array('{rules}', '|'))) TO '{path}'")
    loaded = database.query("SELECT pg_conf_load_time()")
    database.query("SELECT pg_reload_conf()")
    while database.query("SELECT pg_conf_load_time()") == loaded:
        pass


# --- the revisions of the product ---


@pytest.fixture
def as_master(database: Database) -> AlembicSchema:
    """Migrates as RDS's master user, who owns the database, may make roles and is no superuser."""
    database.query("CREATE ROLE keeper LOGIN CREATEROLE")
    database.query(f"ALTER DATABASE {database.name} OWNER TO keeper")
    return AlembicSchema(database.postgres(json.dumps({"username": "keeper", "password": "any"})))


@pytest.fixture
def migrated(database: Database, as_master: AlembicSchema) -> Database:
    report = MigrateSchema(schema=as_master).upgrade(None, deadline=soon())
    assert report.said == f"the schema went from nothing to {as_master.head()}"
    return database


@pytest.fixture
def as_function(migrated: Database) -> Callable[[str], list[tuple[Any, ...]]]:
    return lambda statement: migrated.query(statement, user="defi_stream")


def test_functions_read_and_write_what_the_owner_makes(migrated, as_function):
    migrated.query("CREATE TABLE history.t (n bigint GENERATED ALWAYS AS IDENTITY, v int)", user="keeper")
    as_function("INSERT INTO history.t (v) VALUES (1)")
    as_function("UPDATE history.t SET v = 2")
    assert as_function("SELECT n, v FROM history.t") == [(1, 2)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE history.t (n int)",
        "CREATE TABLE public.t (n int)",
        "CREATE SCHEMA s",
        "CREATE TEMP TABLE t (n int)",
    ],
)
def test_functions_make_nothing(as_function, statement):
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        as_function(statement)


def limit_of_readers(database: Database) -> int:
    ((limit,),) = database.query("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'defi_stream_reader'")
    return int(limit)


def test_connections_are_shared_out_with_every_migration(migrated, as_master):
    """Another class of instance takes another number: then migrate is called, with nothing else to do."""
    ((room,),) = migrated.query("SELECT setting::int - 3 FROM pg_settings WHERE name = 'max_connections'")
    assert limit_of_readers(migrated) == room - 30
    migrated.query("ALTER ROLE defi_stream_reader CONNECTION LIMIT 7")
    assert as_master.upgrade(as_master.head(), deadline=soon()) == Migration(as_master.head(), as_master.head())
    assert limit_of_readers(migrated) == room - 30


def test_what_the_owner_makes_may_be_read_and_not_changed_by_who_reads(migrated):
    migrated.query("CREATE TABLE history.t AS SELECT 1 AS n", user="keeper")
    assert migrated.query("SELECT n FROM history.t", user="defi_stream_reader") == [(1,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        migrated.query("DELETE FROM history.t", user="defi_stream_reader")


def test_on_rds_functions_log_in_by_iam(database, as_master):
    database.query("CREATE ROLE rds_iam")
    database.query("GRANT rds_iam TO keeper WITH ADMIN OPTION")
    as_master.upgrade("r0003", deadline=soon())
    for role in ("defi_stream", "defi_stream_reader"):
        assert database.query(f"SELECT pg_has_role('{role}', 'rds_iam', 'MEMBER')") == [(True,)]


def test_a_role_that_is_there_is_kept(database, as_master):
    """It belongs to the server: another database of it may have made it."""
    database.query("CREATE ROLE defi_stream LOGIN")
    assert as_master.upgrade("r0001", deadline=soon()).after == "r0001"
