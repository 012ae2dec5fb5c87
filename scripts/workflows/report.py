"""What a run of the workflows showed, what it could not, and what was otherwise than on GitHub and AWS."""

from __future__ import annotations

from dataclasses import dataclass, field

# Of GitHub and its actions: what act or this machine cannot do. What the account cannot, it says itself.
DIFFERENCES = (
    "checkout, setup-python, artifacts, AWS credentials: stand-ins of scripts/workflows/actions, instead of the "
    "actions pinned in .github, which are fetched from GitHub",
    "make setup: is not repeated; every job uses the environment of this tree",
    "tests: a choice by name, as the whole suite is `make test`'s",
    "environments: act knows none; the issuer of OIDC tokens reads them in the workflows, and each stage's variables "
    "and secrets are given by the runner",
    "approval of production by its reviewers: nobody is asked",
    "concurrency groups: act runs one workflow at a time anyway",
    "OIDC token: its signature is verified by nobody; the role's trust policy is evaluated by the stand-in",
    "the comment on the pull request: is kept in a file, not posted",
    "the load test of staging: a latency alarm is told and does not fail it, as functions are processes of a busy "
    "machine here; what is lost or refused does",
    "zizmor's audits that ask GitHub about the actions: not made",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing that was to be shown."""

    story: str
    text: str
    holds: bool
    detail: str = ""


@dataclass(slots=True)
class Report:
    claims: list[Claim] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=lambda: list(DIFFERENCES))

    @property
    def ok(self) -> bool:
        return bool(self.claims) and all(claim.holds for claim in self.claims)

    def as_markdown(self, seconds: float) -> str:
        lines = [f"# Workflows on this machine: {'all shown' if self.ok else 'NOT all shown'}", ""]
        lines += [f"In {seconds / 60:.1f} minutes. Every line of every step is in log.txt.", ""]
        for story in dict.fromkeys(claim.story for claim in self.claims):
            lines += [f"## {story}", ""]
            for claim in self.claims:
                if claim.story == story:
                    detail = f": {claim.detail}" if claim.detail else ""
                    lines.append(f"- {'yes' if claim.holds else '**NO**'}: {claim.text}{detail}")
            lines.append("")
        for title, rows in (("Not run here", self.not_run), ("Otherwise than on GitHub and AWS", self.differences)):
            lines += [f"## {title}", "", *([f"- {row}" for row in rows] or ["- nothing"]), ""]
        return "\n".join(lines)
