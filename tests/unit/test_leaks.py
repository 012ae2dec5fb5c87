"""The check that nothing secret is logged can fail, in each of the ways in which something might be."""

import subprocess
import sys
from pathlib import Path

import pytest

from chalicelib.domain.keys import new_key

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm9ueW1vdXMifQ.c2lnbmF0dXJlLW9mLXRoZS10ZXN0"
TESTS = """
import logging, sys
import pytest, structlog
from structlog.testing import capture_logs

def test_printed_by_the_program():
    print("connected with {key}")

def test_logged_by_the_program():
    structlog.get_logger().info("connected", query="token={token}")

def test_logged_by_a_library():
    logging.getLogger("library").warning("bad token {token}")

def test_read_by_the_test_itself(capsys):
    print("{token}", file=sys.stderr)
    assert capsys.readouterr().err

def test_captured_as_an_object():
    with capture_logs() as logs:
        structlog.get_logger().info("connected", headers={{"x-api-key": "{key}"}})
    assert logs

def test_clean():
    structlog.get_logger().info("connected", topic="price:coingecko:ethereum")

@pytest.mark.shows_a_secret
def test_shown_on_purpose():
    print("your key: {key}")
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What became of each test, by its name."""
    folder = tmp_path_factory.mktemp("leaky")
    (folder / "test_leaky.py").write_text(TESTS.format(key=new_key(), token=TOKEN))
    command = [sys.executable, "-m", "pytest", "-p", "tests.leaks", "-p", "no:cacheprovider", "-rA", str(folder)]
    ended = subprocess.run(
        [*command, "-c", "/dev/null", "--rootdir", str(folder)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    words = [line.split() for line in ended.stdout.splitlines() if "::" in line]
    return {word[1].rpartition("::")[2]: word[0] for word in words if word[0] in ("PASSED", "ERROR", "FAILED")}


@pytest.mark.parametrize(
    "name",
    [
        "test_printed_by_the_program",
        "test_logged_by_the_program",
        "test_logged_by_a_library",
        "test_read_by_the_test_itself",
        "test_captured_as_an_object",
    ],
)
def test_a_secret_fails_the_test_that_let_it_out(outcomes, name):
    assert outcomes[name] == "ERROR"


@pytest.mark.parametrize("name", ["test_clean", "test_shown_on_purpose"])
def test_others_pass(outcomes, name):
    assert outcomes[name] == "PASSED"
