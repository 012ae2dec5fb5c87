"""One workflow, run by act on this machine without Docker, and what became of each job and step."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scripts.scanning.findings import TOOLS

HERE = Path(__file__).parent
RUNNER = "ubuntu-latest=-self-hosted"
SUCCESS, FAILURE = "success", "failure"
_CONTROL = re.compile(r"\x1b(?:\[[?0-9;]*[A-Za-z]|[=>])")
_OURS = ("Set up job", "Complete job")  # act's own steps


@dataclass(frozen=True, slots=True)
class Step:
    job: str
    name: str
    result: str
    seconds: float


@dataclass(slots=True)
class Run:
    """How it went. ``ok`` is act's own verdict; ``summaries`` what the steps wrote for the run's page."""

    workflow: str
    ok: bool = False
    jobs: dict[str, str] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    summaries: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)

    def result_of(self, step: str) -> str | None:
        """Of the first step of that name: success, failure or skipped; None if the run never came to it."""
        return next((one.result for one in self.steps if one.name == step), None)


class Log:
    """Where every line goes, and the few that a person sees as they come."""

    def __init__(self, file: Any, say: Callable[[str], None]) -> None:
        self._file = file
        self.say = say

    def line(self, text: str) -> None:
        self._file.write(f"{_plain(text)}\n")
        self._file.flush()

    def tell(self, text: str) -> None:
        self.line(text)
        self.say(text)


def _plain(text: str) -> str:
    """Without colours, and of a line that was written over again and again the last: act gives its steps a terminal."""
    return _CONTROL.sub("", text).rstrip("\r").rpartition("\r")[2]


def run(
    workflow: str,
    event: Mapping[str, Any],
    *,
    event_name: str,
    work: Path,
    cache: Path,
    actions: Iterable[tuple[str, str]],
    env: Mapping[str, str],
    variables: Mapping[str, str],
    secrets: Mapping[str, str],
    log: Log,
) -> Run:
    """Run ``workflow`` (a file of .github/workflows) of the clone ``work``.

    ``actions`` are those of others, by name and commit: each is replaced by the folder of its name beside this file.
    """
    cache.mkdir(parents=True, exist_ok=True)
    event_file = cache / "event.json"
    event_file.write_text(json.dumps(event))
    command: list[str] = [str(TOOLS / "act"), event_name, "--workflows", f".github/workflows/{workflow}", "--json"]
    command += ["--platform", RUNNER, "--no-skip-checkout", "--no-cache-server", "--eventpath", str(event_file)]
    command += ["--action-cache-path", str(cache / "act"), "--rm"]
    for name, commit in sorted(actions):
        folder = HERE / "actions" / name.rpartition("/")[2]
        command += ["--local-repository", f"{name}@{commit}={folder}"]
    files = {"--env-file": env, "--var-file": variables, "--secret-file": secrets}
    for flag, values in files.items():
        path = cache / flag.strip("-")
        path.touch(mode=0o600)
        path.write_text("".join(f"{name}={json.dumps(value)}\n" for name, value in values.items()))
        command += [flag, str(path)]
    told = Run(workflow)
    surroundings = {**os.environ, "PATH": f"{HERE / 'programs'}{os.pathsep}{os.environ['PATH']}"}
    with subprocess.Popen(
        command, cwd=work, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            _read(line, told, log)
    told.ok = process.returncode == 0
    return told


def _read(line: str, told: Run, log: Log) -> None:
    try:
        entry = json.loads(line)
    except ValueError:
        log.line(line.rstrip())
        return
    job, message = str(entry.get("job", "")).strip(), str(entry.get("msg", "")).rstrip()
    if entry.get("raw_output"):
        log.line(f"    {job} | {_plain(message)}")
    elif entry.get("command") == "summary":
        told.summaries.append(entry["content"])
    elif entry.get("command") == "set-output":
        told.outputs[entry["name"]] = entry["arg"]
    elif entry.get("jobResult"):
        told.jobs[job] = entry["jobResult"]
    elif entry.get("stepResult") and _is_step(entry):
        step = Step(job, entry["step"], entry["stepResult"], entry.get("executionTime", 0) / 1e9)
        told.steps.append(step)
        if step.result != "skipped":
            mark = "ok  " if step.result == SUCCESS else "FAIL"
            log.tell(f"    {mark} {step.job}: {step.name} ({step.seconds:.1f} s)")
    elif entry.get("level") in ("error", "fatal"):
        log.tell(f"    {message}")


def _is_step(entry: Mapping[str, Any]) -> bool:
    """Of the workflow itself: neither act's own nor one inside an action."""
    ids: Sequence[str] = entry.get("stepID", ())
    return entry["step"] not in _OURS and entry.get("stage") == "Main" and len(ids) == 1
