"""What all stories share: the repository, the log, the report, and how a workflow is run with what GitHub would add."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from scripts.workflows import act
from scripts.workflows.definitions import jobs, third_party_actions
from scripts.workflows.issuer import Issuer, serving
from scripts.workflows.report import Claim, Report
from scripts.workflows.repository import NAME, Repository

ROLE_OF_ENVIRONMENT = "the-one-of-the-job's-environment"  # act has one value for a variable, GitHub one an environment


@dataclass(slots=True)
class World:
    """``folder`` goes when the run is over, ``out`` stays."""

    folder: Path
    out: Path
    repository: Repository
    log: act.Log
    report: Report = field(default_factory=Report)
    _numbers: Any = field(default_factory=lambda: count(1))

    def claim(self, story: str, text: str, holds: bool, detail: str = "") -> None:
        self.report.claims.append(Claim(story, text, holds, detail))
        self.log.tell(f"  {'yes' if holds else 'NO '}  {text}{f' ({detail})' if detail else ''}")

    def run(
        self,
        workflow: str,
        event_name: str,
        event: Mapping[str, Any],
        *,
        env: Mapping[str, str] = {},
        variables: Mapping[str, str] = {},
        secrets: Mapping[str, str] = {},
        roles: Mapping[str, str] = {},
    ) -> act.Run:
        """Run a workflow of the clone. ``roles`` is, by environment, the value of its variable DEPLOY_ROLE_ARN."""
        folder = self.folder / f"run-{next(self._numbers)}"
        artifacts = folder / "artifacts"
        artifacts.mkdir(parents=True)
        work = self.repository.work
        issuer = Issuer(NAME, jobs(work, workflow))
        self.log.tell(f"\n  {workflow} ({event_name}, {self.repository.head()[:7]})")
        with serving(issuer) as address:
            given = {
                **env,
                "LOCAL_REMOTE": str(self.repository.remote),
                "LOCAL_VENV": sys.prefix,
                "LOCAL_ARTIFACTS": str(artifacts),
                "LOCAL_ROLES": json.dumps(dict(roles)),
                "ACTIONS_ID_TOKEN_REQUEST_URL": address,
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": issuer.password,
                "PYTHON": "true",  # so that `make setup` does nothing: the environment is this tree's
                "NO_COLOR": "1",
            }
            told = act.run(
                workflow,
                event,
                event_name=event_name,
                work=work,
                cache=folder,
                actions=third_party_actions(work),
                env=given,
                variables={**variables, **({"DEPLOY_ROLE_ARN": ROLE_OF_ENVIRONMENT} if roles else {})},
                secrets=secrets,
                log=self.log,
            )
        for summary in told.summaries:
            self.log.line(summary)
        return told
