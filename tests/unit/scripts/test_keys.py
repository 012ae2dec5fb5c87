"""`python -m scripts.keys`: what it understands, and with whose credentials it asks."""

import pytest

from localcloud.ministack import ACCESS_KEY
from scripts.keys import credentials, main, parse

LOCAL = "http://127.0.0.1:4566"


@pytest.mark.parametrize(
    "argv",
    [
        ["--table", "t", "--endpoint-url", LOCAL, "--region", "eu-central-1", "--json", "list"],
        ["list", "--table", "t", "--endpoint-url", LOCAL, "--region", "eu-central-1", "--json"],
        ["--table", "t", "--json", "list", "--endpoint-url", LOCAL, "--region", "eu-central-1"],
    ],
)
def test_an_option_may_stand_on_either_side_of_the_command(argv):
    said = parse(argv)
    assert (said.table, said.endpoint_url, said.region, said.json) == ("t", LOCAL, "eu-central-1", True)


def test_the_command_takes_the_last_word():
    assert parse(["--table", "a", "list", "--table", "b"]).table == "b"
    assert parse(["--table", "a", "list"]).region == "us-east-1"


@pytest.mark.parametrize("name", ["*", "a:*", "a%b", "x" * 122])
def test_a_user_whose_name_no_topic_can_bear_is_refused(name, capsys):
    with pytest.raises(SystemExit):
        parse(["--table", "t", "issue", "--tier", "pro", "--name", "n", "--user", name])
    assert "--user" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["list"], "--table"),
        (["--table", "t"], "issue | list | revoke"),
        (["--table", "t", "issue", "--tier", "pro", "--name", ""], "must not be empty"),
        (["--table", "t", "issue", "--tier", "pro", "--name", "  "], "must not be empty"),
        (["--table", "t", "issue", "--tier", "gold", "--name", "x"], "gold"),
    ],
)
def test_what_is_missing_is_said(argv, said, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(argv)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("url", [LOCAL, "http://localhost:4566", "http://[::1]:4566", "http://127.8.9.1"])
def test_an_address_of_this_machine_needs_no_credentials(url):
    assert credentials(url, {})["aws_access_key_id"] == ACCESS_KEY


@pytest.mark.parametrize(
    ("url", "env"),
    [
        (None, {}),
        ("https://dynamodb.us-east-1.amazonaws.com", {}),
        ("http://127.0.0.1.example.com", {}),
        (LOCAL, {"AWS_ACCESS_KEY_ID": "mine"}),
        (LOCAL, {"AWS_PROFILE": "mine"}),
    ],
)
def test_elsewhere_and_beside_ones_own_nothing_is_made_up(url, env):
    assert credentials(url, env) == {}


def test_a_url_that_is_none_is_told_in_a_line(capsys):
    assert main(["--table", "t", "--endpoint-url", "127.0.0.1", "list"]) == 1
    assert capsys.readouterr().err == "keys: Invalid endpoint: 127.0.0.1\n"


def test_an_address_where_nothing_answers_is_told_with_its_cause(capsys, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert main(["--table", "tables", "--endpoint-url", "http://127.0.0.1:1", "list"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("keys: the table of keys cannot be read: EndpointConnectionError (nothing answers")
