"""What the commands share: arguments, the bucket, how they end."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from scripts.artifacts import Artifacts
from scripts.deployment.account import Clients
from scripts.deployment.errors import DetachedError, RefusedError, StackError
from scripts.deployment.stack import Stack, stack_name
from scripts.packaging.problems import PackagingError
from scripts.packaging.project import PROJECT, stages

BUCKET_VARIABLE = "ARTIFACT_BUCKET"
GOES_ON = "What CloudFormation has begun it goes on with; the same command again follows it"
FAULTS = (StackError, PackagingError, RuntimeError, OSError, ValueError, Boto3Error, BotoCoreError, ClientError)


def add_shared(options: argparse.ArgumentParser, *, stage: str | None = None) -> None:
    """The stage, the bucket, and the output for a program."""
    options.add_argument(
        "stage", nargs=stage, choices=stages(PROJECT), metavar="STAGE", help="dev, staging, production"
    )
    options.add_argument(
        "--bucket",
        default=os.environ.get(BUCKET_VARIABLE),
        help=f"that releases lie in (or the variable {BUCKET_VARIABLE}; default: the one the stack was deployed from)",
    )
    options.add_argument("--json", action="store_true", help="one JSON object on the output, progress on the other")


def artifacts_of(account: Clients, stage: str, bucket: str | None) -> Artifacts:
    """Raises RefusedError if nothing says which bucket."""
    if not bucket:
        state = Stack(account.client("cloudformation"), stack_name(stage)).state()
        bucket = state.parameters.get("ArtifactBucket") if state else None
    if not bucket:
        raise RefusedError(f"no stack to read the bucket of releases from: give --bucket, or set {BUCKET_VARIABLE}")
    return Artifacts(account.client("s3"), bucket)


def ended(program: str, work: Callable[[], int], *, as_json: bool, interrupted: str = "") -> int:
    """Run it; what goes wrong is one message, and an exit code that says what kind it is.

    ``interrupted`` says what became of work that somebody breaks off.
    """
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # how a workflow is cancelled
    try:
        return work()
    except KeyboardInterrupt:
        error: Exception = DetachedError(f"interrupted. {interrupted}".rstrip(". "))
    except NoCredentialsError as fault:
        error = RefusedError(f"{str(fault).lower()}: log in (aws sso login), set AWS_PROFILE, or set AWS_ACCESS_KEY_ID")
    except FAULTS as fault:
        error = fault
    return told(program, error, as_json=as_json)


def told(program: str, error: Exception, *, as_json: bool, more: Mapping[str, Any] = {}) -> int:
    """The error, for a person and for a program; its exit code."""
    print(f"{program}: {error}", file=sys.stderr)
    if as_json:
        outcome = getattr(error, "outcome", "failed")
        print(json.dumps({"ok": False, "outcome": outcome, "error": str(error), **more}), flush=True)
    return int(getattr(error, "exit_code", 1))
