"""The workflow files keep the rules that no linter knows, and break none that one knows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from scripts.deployment.errors import SmokeFailedError
from scripts.scanning import workflows
from scripts.workflows.definitions import jobs, third_party_actions

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PARSED = {path.name: yaml.safe_load(path.read_text()) for path in FILES}
JOBS = [(file, name, job) for file, workflow in PARSED.items() for name, job in workflow["jobs"].items()]
DEPLOYING = ("deploy.yml", "deploy-staging.yml", "deploy-production.yml")
LOAD_FAILED = "steps.load.outcome == 'failure'"
ON = True  # what YAML 1.1 makes of the key `on`


def each_job(wanted=lambda job: True):
    return pytest.mark.parametrize(
        ("file", "job"), [pytest.param(f, job, id=f"{f}:{name}") for f, name, job in JOBS if wanted(job)]
    )


def test_the_four_workflows_are_there():
    assert {"test.yml", "deploy-staging.yml", "deploy-production.yml", "security-scan.yml"} <= PARSED.keys()


def test_actionlint_and_zizmor_find_nothing():
    assert workflows.scan() == []


def test_a_workflow_may_do_nothing_unless_a_job_says_so():
    assert {name: workflow["permissions"] for name, workflow in PARSED.items()} == {name: {} for name in PARSED}


@each_job()
def test_a_job_names_its_permissions(file, job):
    assert "permissions" in job


@each_job(lambda job: "uses" not in job)
def test_a_job_ends_by_itself(file, job):
    assert 0 < job["timeout-minutes"] <= 100


@pytest.mark.parametrize("path", [*FILES, *(ROOT / ".github" / "actions").rglob("*.yml")], ids=lambda path: path.name)
def test_an_action_of_others_is_pinned_by_commit_and_says_its_version(path):
    for line in re.findall(r"uses: (?!\./)(.+)", path.read_text()):
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)


def test_every_action_of_others_has_one_version_and_a_stand_in():
    used = third_party_actions(ROOT)
    names = [name for name, _ in used]
    assert sorted(names) == sorted(set(names))
    standing_in = ROOT / "scripts" / "workflows" / "actions"
    assert {name.rpartition("/")[2] for name in names} == {folder.name for folder in standing_in.iterdir()}


@pytest.mark.parametrize("name", sorted((ROOT / "scripts" / "workflows" / "actions").iterdir()), ids=lambda p: p.name)
def test_a_stand_in_knows_every_input_that_is_given(name):
    known = yaml.safe_load((name / "action.yml").read_text())["inputs"]
    texts = [*FILES, *(ROOT / ".github" / "actions").rglob("*.yml")]
    steps = [step for path in texts for step in _steps(yaml.safe_load(path.read_text()))]
    given = [step.get("with", {}) for step in steps if f"/{name.name}@" in step.get("uses", "")]
    assert given
    assert {word for inputs in given for word in inputs} <= known.keys()


def _steps(document):
    holders = [document["runs"]] if "runs" in document else document["jobs"].values()
    return [step for holder in holders for step in holder.get("steps", ())]


@pytest.mark.parametrize("file", DEPLOYING)
def test_a_deployment_is_never_cancelled(file):
    groups = [PARSED[file].get("concurrency"), *(job.get("concurrency") for job in PARSED[file]["jobs"].values())]
    found = [group for group in groups if group]
    assert found
    assert [group["cancel-in-progress"] for group in found] == [False] * len(found)


def test_no_two_groups_share_a_name():
    """A job whose group is its workflow's own would wait for itself for ever."""
    holders = [holder for workflow in PARSED.values() for holder in (workflow, *workflow["jobs"].values())]
    groups = {holder["concurrency"]["group"] for holder in holders if "concurrency" in holder}
    of_each_stage = {
        group.replace("${{ inputs.stage }}", stage)
        for group in groups
        if "inputs.stage" in group
        for stage in ("staging", "production")
    }
    assert len(of_each_stage) == 2
    assert of_each_stage.isdisjoint(groups)


def test_credentials_come_by_oidc_only():
    text = "".join(path.read_text() for path in FILES)
    assert "configure-aws-credentials" in text
    assert not re.search(r"aws-access-key-id|aws-secret-access-key|AWS_SECRET", text)


def test_only_the_jobs_that_deploy_may_ask_for_a_token():
    found = {
        (job.workflow, job.name, job.environment)
        for file in PARSED
        if file != "deploy.yml"  # called by the others with its inputs
        for job in jobs(ROOT, file)
        if job.may_ask_for_a_token
    }
    assert found == {
        ("Deploy", "deploy", "staging"),
        ("Deploy", "deploy", "production"),
        ("Deploy production", "promotable", "staging"),
    }


def test_where_credentials_are_no_cache_of_another_run_is_used():
    for file in DEPLOYING:
        for job in PARSED[file]["jobs"].values():
            for step in job.get("steps", ()):
                if step.get("uses", "").startswith("./.github/actions/setup"):
                    assert step["with"]["cache"] == "false"


def test_production_is_deployed_by_hand_with_a_version_that_its_environment_must_approve():
    workflow = PARSED["deploy-production.yml"]
    assert list(workflow[ON]) == ["workflow_dispatch"]
    assert workflow[ON]["workflow_dispatch"]["inputs"]["version"]["required"]
    assert workflow["jobs"]["deploy"]["with"]["stage"] == "production"
    assert "inputs.stage" in PARSED["deploy.yml"]["jobs"]["deploy"]["environment"]["name"]


def test_production_gets_the_zip_that_staging_ran():
    workflow = PARSED["deploy-production.yml"]
    assert "needs.promotable.outputs.zip" in workflow["jobs"]["deploy"]["with"]["zip"]
    assert "artifact" not in workflow["jobs"]["deploy"]["with"]  # nothing is built for it


def test_the_scan_comes_daily_and_with_every_pull_request():
    assert {"pull_request", "schedule"} <= PARSED["security-scan.yml"][ON].keys()


def test_a_rollback_follows_a_bad_test_of_what_was_deployed_and_nothing_else():
    """A deployment that was stopped has been taken back already: another step back would leave the good version."""
    steps = {step["name"]: step for step in PARSED["deploy.yml"]["jobs"]["deploy"]["steps"]}
    condition = steps["Roll back"]["if"]
    assert condition == f"failure() && (steps.deploy.outputs.status == '{SmokeFailedError.exit_code}' || {LOAD_FAILED})"
