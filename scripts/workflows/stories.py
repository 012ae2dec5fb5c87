"""The stories: a merge brings staging forward, a promotion production, a bad version neither, and no update is lost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scripts.workflows import act
from scripts.workflows.account import Account
from scripts.workflows.repository import NAME
from scripts.workflows.stage import STAGES, LoadTest, Person
from scripts.workflows.world import World

MERGE = "A merge to main deploys staging"
PROMOTION = "A promotion, under load"
BAD = "A bad version is stopped and rolled back, under load"
DEPLOY = "Deploy and smoke-test"
PUSH = {"ref": "refs/heads/main"}
OF_PRODUCTION = (  # which has to have an address of its own
    "DomainName=stream.example.com",
    "CertificateArn=arn:aws:acm:us-east-1:000000000000:certificate/11111111-2222-3333-4444-555555555555",
)
LOAD_USERS = 6
PROMOTION_S, BAD_S = 240, 200  # a load test has to outlast what it goes on beside

HANDLER = Path("chalicelib/handlers/queues.py")
FAULT_AFTER = 'with invocation("process", **_fields(event)):\n'
FAULT = """        import os

        if os.environ["STAGE"] == "production" and "feed:smoke" not in str(event.to_dict()):
            raise RuntimeError("a bug that only real traffic of production meets")
"""


@dataclass(slots=True)
class Stages:
    """Both stages as a person has deployed them first, and what the workflows are given for them."""

    world: World
    account: Account
    person: Person
    roles: dict[str, str]
    keys: dict[str, str]

    def run(self, workflow: str, event_name: str, event: Mapping[str, object]) -> act.Run:
        run = self._run(workflow, event_name, event)
        if run.result_of(DEPLOY) == act.FAILURE:
            for stage in STAGES:
                for problem in self.person.verdicts(stage):
                    self.world.log.tell(f"    {stage}'s hook said: {problem}")
        return run

    def _run(self, workflow: str, event_name: str, event: Mapping[str, object]) -> act.Run:
        return self.world.run(
            workflow,
            event_name,
            event,
            env={**self.account.address, "PYTEST_ADDOPTS": "-k topics -p no:cacheprovider --color=no"},
            variables={
                "AWS_REGION": self.account.env["AWS_REGION"],
                "ARTIFACT_BUCKET": self.account.bucket,
                "PACKAGE_TARGET": "local",
                "SUITES": '["unit"]',
                "LOAD_USERS": str(LOAD_USERS),
                "LOAD_SETTLE": "20s",
                "LOAD_ALARMS": "tell",
            },
            secrets={"LOAD_TEST_KEY": self.keys["staging"]},
            roles=self.roles,
        )

    def settled(self, story: str, result: LoadTest) -> None:
        """What the clients of a load test met."""
        told = result.result()
        counts = told["counts"]
        lost = counts.get("lost", 0)
        seen = f"{counts.get('updates', 0)} updates, {lost} lost"
        self.world.claim(story, "clients of a load test that went on all the while lost nothing", not lost, seen)


def first_deployments(world: World, account: Account) -> Stages:
    """As a person would: the roles that workflows take are made by it."""
    person = Person(world.repository.work, account.env, account.bucket)
    release = world.folder / "first-release"
    world.log.tell("\n  a person deploys both stages for the first time")
    words = [word for stage in STAGES for word in ("--stage", stage)]
    world.log.line(person.run("scripts.package", *words, "--target", "local", "--out", str(release)))
    provider = ""
    for stage in STAGES:
        given = ["--parameter", f"GitHubRepository={NAME}"]
        given += ["--parameter", f"GitHubProviderArn={provider}"] if provider else []
        given += [word for value in OF_PRODUCTION for word in ("--parameter", value)] if stage == "production" else []
        told = person.run("scripts.deploy", stage, "--release", str(release), *given, "--no-smoke", "--yes")
        world.log.line(told)
        world.log.tell(f"    {stage} runs {person.current(stage)}")
        provider = provider or person.held(stage, "GitHubProvider")  # an account has one
    roles = {stage: person.deploy_role(stage) for stage in STAGES}
    return Stages(world, account, person, roles, {stage: person.key(stage) for stage in STAGES})


def a_merge_deploys_staging(stages: Stages) -> str | None:
    """The version that staging runs then; None if the merge did not reach it."""
    world, person = stages.world, stages.person
    before = person.current("staging")
    world.repository.commit("Say hello", say_hello)
    run = stages.run("deploy-staging.yml", "push", PUSH)
    for step in ("make unit", "Package", "AWS credentials", DEPLOY, "Load test", "Notify"):
        world.claim(MERGE, step, run.result_of(step) == act.SUCCESS)
    newest = person.records("staging")[0]
    version = str(newest["version"])
    world.claim(MERGE, "staging runs the merge's version", person.current("staging") == version != before, version)
    world.claim(MERGE, "the role was taken by OIDC", ":assumed-role/" in newest["who"], newest["who"])
    return version if run.ok else None


def a_promotion(stages: Stages, version: str) -> None:
    world, person = stages.world, stages.person
    folder = world.out / "load-promotion"
    refused = stages.run("deploy-production.yml", "workflow_dispatch", _dispatch("20000101T000000Z-0000000"))
    found = refused.result_of("Find it among staging's releases")
    world.claim(PROMOTION, "a version that staging never ran is refused", found == act.FAILURE)
    with person.under_load(
        "production", stages.keys["production"], folder, users=LOAD_USERS, seconds=PROMOTION_S
    ) as load:
        run = stages.run("deploy-production.yml", "workflow_dispatch", _dispatch(version))
        during = not load.is_over()
        world.claim(PROMOTION, "the workflow succeeds", run.ok)
        world.claim(PROMOTION, "production runs the version", person.current("production") == version, version)
        zips = {person.serving(stage)["zip"]["sha256"] for stage in STAGES}
        world.claim(PROMOTION, "it is the very zip that staging runs", len(zips) == 1, ", ".join(zips))
        world.claim(PROMOTION, "the load went on until it was over", during)
        stages.settled(PROMOTION, load)


def a_bad_version(stages: Stages) -> None:
    """It works in staging, and fails in production as soon as it meets real traffic."""
    world, person = stages.world, stages.person
    good, serving = person.current("production"), person.aliases("production")
    world.repository.commit("Break the processing of production", break_it)
    run = stages.run("deploy-staging.yml", "push", PUSH)
    version = str(person.records("staging")[0]["version"])
    world.claim(BAD, "staging takes it", run.result_of(DEPLOY) == act.SUCCESS, version)
    folder = world.out / "load-rollback"
    with person.under_load("production", stages.keys["production"], folder, users=LOAD_USERS, seconds=BAD_S) as load:
        run = stages.run("deploy-production.yml", "workflow_dispatch", _dispatch(version))
        during = not load.is_over()
        newest = person.records("production")[0]
        stopped = run.result_of(DEPLOY) == act.FAILURE and newest["version"] == version
        world.claim(BAD, "production does not", stopped and newest["outcome"] == "rolled-back", version)
        alarms = sorted(set(re.findall(r"alarm (\S+) is in ALARM", newest["reason"])))
        seen = any("Error" in name for name in alarms)  # and not that this machine was slow
        world.claim(BAD, "an alarm on its errors stopped it", seen, ", ".join(alarms))
        world.claim(BAD, "the version before serves again", person.current("production") == good, str(good))
        world.claim(BAD, "every alias is where it was", person.aliases("production") == serving)
        world.claim(BAD, "the load went on until it was over", during)
        stages.settled(BAD, load)
    person.run("scripts.smoke", "production")
    world.claim(BAD, "production passes the smoke test", True)


def say_hello(work: Path) -> None:
    """A change of what runs in Lambda, so that every function gets a new version."""
    with (work / "app.py").open("a") as switchboard:
        switchboard.write("\n\n# Hello.\n")


def break_it(work: Path) -> None:
    """Raises ValueError if the handler is not what it was."""
    text = (work / HANDLER).read_text()
    if text.count(FAULT_AFTER) != 1:
        raise ValueError(f"{HANDLER} has changed: the bad version must be made otherwise")
    (work / HANDLER).write_text(text.replace(FAULT_AFTER, FAULT_AFTER + FAULT))


def _dispatch(version: str) -> dict[str, object]:
    return {"ref": "refs/heads/main", "inputs": {"version": version}}
