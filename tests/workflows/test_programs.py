"""What the workflows call besides deploying: who is told, what may be promoted, what a scan lets pass."""

from __future__ import annotations

import io
import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from loadtests.__main__ import parser as load_parser
from scripts import load_stage, notify, promotable
from scripts.scanning import dependencies, findings
from scripts.scanning import secrets as secret_scan
from scripts.scanning.findings import CannotScanError
from scripts.smoke_checks import Target

ARGUMENTS = ["--stage", "staging", "--version", "v1", "--outcome", "success", "--link", "https://example.com/run"]


class Webhook:
    """A chat's side: answers with the statuses it is given, the last one again and again."""

    def __init__(self, *statuses):
        self.bodies = bodies = []
        waiting = list(statuses)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(waiting.pop(0) if len(waiting) > 1 else waiting[0])
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def test_without_an_address_nobody_is_told_and_that_is_said(monkeypatch, capsys):
    monkeypatch.delenv(notify.VARIABLE, raising=False)
    assert notify.main(ARGUMENTS) == 0
    assert "nobody was told" in capsys.readouterr().out


def test_a_chat_is_told_what_runs_where_and_where_to_read_on(monkeypatch):
    with Webhook(200) as webhook:
        monkeypatch.setenv(notify.VARIABLE, webhook.url)
        assert notify.main(ARGUMENTS) == 0
    assert webhook.bodies == [{"text": ":white_check_mark: staging runs v1\n<https://example.com/run|the run>"}]


@pytest.mark.parametrize(("statuses", "tries"), [([503, 200], 2), ([429, 500, 200], 3)])
def test_a_chat_that_is_busy_is_told_again(statuses, tries):
    with Webhook(*statuses) as webhook:
        notify.tell(webhook.url, {"text": "x"}, pause=lambda _: None)
    assert len(webhook.bodies) == tries


@pytest.mark.parametrize(("statuses", "tries"), [([404], 1), ([500], notify.TRIES)])
def test_a_chat_that_does_not_take_it_fails_the_step_without_telling_the_address(statuses, tries, monkeypatch, capsys):
    monkeypatch.setattr(notify, "PAUSE_S", 0.0)
    with Webhook(*statuses) as webhook:
        monkeypatch.setenv(notify.VARIABLE, webhook.url)
        assert notify.main(ARGUMENTS) == 1
    assert len(webhook.bodies) == tries
    assert "hook" not in capsys.readouterr().err.replace("webhook", "")


def test_a_secret_goes_over_no_clear_line():
    with pytest.raises(notify.NotTakenError, match="https"):
        notify.tell("http://chat.example.com/hook", {"text": "x"})


def record(version, outcome="deployed", sha256="a", **more):
    return {"version": version, "outcome": outcome, "zip": {"sha256": sha256}, **more}


def test_what_staging_ran_may_be_promoted_by_its_zip(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"records": [record("v2", sha256="b"), record("v1")]})))
    assert promotable.main(["v1"]) == 0
    assert capsys.readouterr().out == "a\n"


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], "it has run nothing yet"),
        ([record("v2")], "never run v1; it has run v2"),
        ([record("v1", "rolled-back"), record("v2")], "did not keep v1 .rolled-back.; it has run v2"),
        ([record("v1", smoke="failed")], "smoke test of v1 failed"),
        ([record("v1", sha256="b"), record("v1")], "2 different zips"),
    ],
)
def test_what_staging_did_not_run_well_may_not(records, said):
    with pytest.raises(promotable.NotPromotableError, match=said):
        promotable.zip_of("v1", records)


def test_a_load_test_is_told_the_stages_addresses():
    target = Target(
        ws_url="wss://h/ws",
        rest_url="https://h",
        topic_arn="arn:topic",
        queue_url="https://q",
        api_key=None,
        headers={"x-origin-verify-a": "s"},
        within_s=1.0,
    )
    words = load_stage.arguments("staging", "defi-stream-staging", "us-east-1", target, ["k1", "k2"])
    given = load_parser().parse_args(words)
    assert (given.url, given.ws_url, given.publish_to) == ("https://h", "wss://h/ws", "arn:topic")
    assert (given.key, given.header) == (["k1", "k2"], [("x-origin-verify-a", "s")])


@pytest.mark.parametrize(
    ("reasons", "status"), [(["alarm A fired on CloudWatch: x"], 0), (["alarm A fired", "3 updates were lost"], 1)]
)
def test_where_alarms_are_only_told_a_lost_update_still_fails(tmp_path, reasons, status):
    (tmp_path / "result.json").write_text(json.dumps({"reasons": reasons}))
    assert load_stage.judged(tmp_path) == status


def test_a_load_test_without_a_key_says_which_variable_is_missing(monkeypatch, capsys):
    monkeypatch.delenv(load_stage.VARIABLE, raising=False)
    assert load_stage.main(["staging"]) == 2
    assert load_stage.VARIABLE in capsys.readouterr().err


def test_a_package_that_was_not_looked_up_is_no_all_clear():
    with pytest.raises(CannotScanError, match="redis"):
        dependencies.judge(
            [{"name": "redis", "skip_reason": "not found"}, {"name": "six", "version": "1", "vulns": []}]
        )


def test_a_vulnerability_says_which_version_mends_it():
    found = dependencies.judge([{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}])
    assert found == ["a 1: CVE-1, mended in 2"]


def test_a_secret_is_excused_where_the_file_says_so_and_nowhere_else():
    excuses = secret_scan.allowed("tests/*.py  Private-Key  made up for a test\n# a comment\n")
    assert secret_scan.judge([("tests/x.py", "Private Key", 1)], excuses) == []
    assert secret_scan.judge([("tests/x.py", "Private Key", 1), ("app.py", "Private Key", 2)], excuses) == [
        "app.py:2: Private Key"
    ]


def test_an_excuse_that_nothing_needs_fails():
    (said,) = secret_scan.judge([], secret_scan.allowed("gone.py  Private-Key  made up for a test"))
    assert "nothing needs gone.py" in said


def test_an_excuse_needs_a_reason():
    with pytest.raises(CannotScanError, match="reason"):
        secret_scan.allowed("x.py Private-Key")


def test_a_key_that_somebody_writes_down_is_found(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    (tmp_path / "notes.txt").write_text("-----BEGIN " + "RSA PRIVATE KEY-----\nMIIE\n")
    monkeypatch.setattr(findings, "PROJECT", tmp_path)
    assert any("Private Key" in line for line in secret_scan.scan())
