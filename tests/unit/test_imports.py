"""A cold start loads what its function needs: the database's libraries take longer than all the rest."""

import subprocess
import sys

from chalicelib.settings import _REQUIRED

HEAVY = ("sqlalchemy", "alembic", "psycopg", "mako")
PARTS = [
    "ingest",
    "process",
    "conflation",
    "deliver",
    "authorize_connection",
    "sessions",
    "commands",
    "tokens",
    "callers",
    "catalogue",
    "health",
    "read_snapshot",
    "rotate_secret",
]


def loaded(statement: str, modules: tuple[str, ...]) -> set[str]:
    """Which of ``modules`` a new Python has loaded after ``statement``."""
    env = {name: "https://x" if name.endswith("URL") else "us-east-1" for name in _REQUIRED}
    env |= {"REDIS_URL": "redis://127.0.0.1:1/0", "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    env |= {"DATABASE_HOST": "db", "DATABASE_NAME": "defi_stream", "DATABASE_SECRET_ID": "owner"}
    script = f"import sys\n{statement}\nprint(' '.join(name for name in {modules!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_switchboard_loads_none_of_it():
    assert loaded("import app", (*HEAVY, "boto3", "redis")) == set()


def test_no_function_but_migrate_loads_it():
    asked = "; ".join(f"container.{part}" for part in PARTS)
    assert loaded(f"import app; container = app.container(); {asked}", HEAVY) == set()


def test_recording_loads_the_driver_and_nothing_above_it():
    """psycopg takes a tenth of a second, SQLAlchemy half of one."""
    env = dict.fromkeys(("DATABASE_USER", "HISTORY_QUEUE_URL", "HISTORY_DEAD_LETTERS_URL", "RAW_BUCKET"), "x")
    asked = "container = app.container(); container.record_history; container.keep_months"
    asked = f"import os; os.environ.update({env}); import app; {asked}"
    assert loaded(asked, HEAVY) == {"psycopg"}


def test_a_query_loads_what_makes_statements_and_not_what_changes_schemas():
    env = "import os; os.environ.update(DATABASE_READER='u')"
    assert loaded(f"{env}; import app; app.container().answer_query", HEAVY) == {"sqlalchemy", "psycopg"}


def test_reading_a_topics_past_loads_the_driver_and_nothing_above_it():
    env = "import os; os.environ.update(DATABASE_READER='u')"
    assert loaded(f"{env}; import app; app.container().read_history", HEAVY) == {"psycopg"}


def test_who_calls_without_a_key_needs_no_client_of_aws():
    """boto3 takes as long to load as all that answers the request."""
    asked = "container = app.container(); container.callers; container.catalogue; container.read_snapshot"
    assert loaded(f"import app; {asked}", ("boto3", "botocore")) == set()


def test_telling_of_new_data_loads_none_of_it():
    assert loaded("import app; app.container().data_versions", HEAVY) == set()


def test_migrate_does():
    """So that the test above would see it."""
    assert loaded("import app; app.container().migrate_schema", HEAVY) >= {"sqlalchemy", "alembic"}


def test_the_schemas_of_resource_types_wait_until_a_type_is_asked_about():
    """They take longer than all else of the packager, and `--help` needs none."""
    module = ("cfnlint",)
    assert loaded("import scripts.package", module) == set()
    assert loaded("from scripts.packaging.tags import expected_tags; expected_tags('AWS::SQS::Queue')", module)
