"""The linters over every template, in the background from when they are asked to begin until they are asked for.

With them goes a faulty template for each, which shows that the program does find something.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.infrastructure import linters
from tests.infrastructure.linters import Finding, Template, Verdict

FAULTY = "faulty"
MISTYPED = {"Resources": {"EventsQueue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": "soon"}}}}


def opened(template: Template) -> Template:
    """The bucket of a template, public."""
    bucket = copy.deepcopy(template["Resources"]["RawBucket"])
    del bucket["Properties"]["PublicAccessBlockConfiguration"]
    return {"Resources": {"RawBucket": bucket}}


class Linting:
    """``unresolved`` templates are for cfn-lint, ``resolved`` ones for checkov and cfn-guard, each by name; begins at
    once.

    Two programs at a time: each keeps one core busy. ``close`` it.
    """

    def __init__(
        self, *, unresolved: Mapping[str, Template], resolved: Mapping[str, Template], folder: Callable[[], Path]
    ) -> None:
        self._pool = ThreadPoolExecutor(2)
        self._checked = self._pool.submit(linters.checkov, resolved, folder())
        self._judged = self._pool.submit(linters.guard, resolved)
        self._linted = {
            name: self._pool.submit(linters.cfn_lint, template, folder()) for name, template in unresolved.items()
        }

    def cfn_lint(self) -> dict[str, list[Finding]]:
        """Its findings, by the templates' names. Waits, and raises what went wrong."""
        return {name: future.result() for name, future in self._linted.items()}

    def checkov(self) -> dict[str, list[Finding]]:
        """As ``cfn_lint``."""
        return self._checked.result()

    def guard(self) -> dict[str, Verdict]:
        """As ``cfn_lint``."""
        return self._judged.result()

    def close(self) -> None:
        """Wait for the programs that run, start none that has not begun."""
        self._pool.shutdown(cancel_futures=True)
