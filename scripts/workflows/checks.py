"""The two workflows that deploy nothing: a pull request is tested, and scanned."""

from __future__ import annotations

import json

from scripts.workflows.act import FAILURE, SUCCESS
from scripts.workflows.repository import NAME
from scripts.workflows.world import World

SUITES = ["unit", "infrastructure", "integration", "browser"]
CHOSEN = "topics or parameters or catalogue or bad_input"  # some of each suite, the quick ones
PULL_REQUEST = {"pull_request": {"number": 7, "head": {"repo": {"full_name": NAME}}}}
_UNMADE = ": cannot be made: "


def a_pull_request_is_tested(world: World) -> None:
    story = "A pull request is tested"
    run = world.run(
        "test.yml",
        "pull_request",
        PULL_REQUEST,
        env={"PYTEST_ADDOPTS": f"-k '{CHOSEN}' -p no:cacheprovider --color=no"},
        variables={"SUITES": json.dumps(SUITES)},
        secrets={"GITHUB_TOKEN": "of-nobody"},
    )
    for name in ("Style", "Types", "Imports", "Workflows", *(f"make {suite}" for suite in SUITES)):
        world.claim(story, name, run.result_of(name) == SUCCESS)
    report = "".join(run.summaries)
    world.claim(story, "what was covered is on the run's page", "### Coverage: " in report, report.partition("\n")[0])
    commented = run.result_of("Comment, or renew the last one") == SUCCESS
    world.claim(story, "and would be commented on the pull request", commented)


def a_pull_request_is_scanned(world: World) -> None:
    story = "A pull request is scanned"
    run = world.run("security-scan.yml", "pull_request", PULL_REQUEST)
    for scan in ("code", "template", "secrets", "workflows", "dependencies"):
        said = "".join(text for text in run.summaries if text.startswith(f"### {scan}\n"))
        ended = [step.result for step in run.steps if step.name == "Scan" and f"/{scan}-" in step.job]
        if _UNMADE in said:
            reason = next(line for line in said.splitlines() if _UNMADE in line).partition(_UNMADE)[2]
            world.report.not_run.append(f"the scan of {scan}, which failed as it should without a verdict: {reason}")
            world.claim(story, f"a scan of {scan} that cannot be made is no all-clear", ended == [FAILURE])
        else:
            world.claim(story, f"{scan}: nothing found", ended == [SUCCESS])
    kept = run.result_of("Keep it") == SUCCESS
    world.claim(story, "the bill of materials is kept", kept)
