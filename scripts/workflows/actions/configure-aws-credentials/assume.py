"""Ask for the job's OIDC token, see that the role's trust policy admits it, take the role, hand its credentials on.

AWS's STS verifies the token's signature and the policy. ministack's does neither, so the policy is evaluated here.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import jwt
from botocore.exceptions import ClientError

AUDIENCE = "sts.amazonaws.com"
PROVIDER = "token.actions.githubusercontent.com"
HANDED_ON = {"AWS_ACCESS_KEY_ID": "AccessKeyId", "AWS_SECRET_ACCESS_KEY": "SecretAccessKey"}


def token() -> str:
    """Signed for this job. SystemExit if the job may not have one."""
    here = {"audience": AUDIENCE, "workflow": os.environ["GITHUB_WORKFLOW"], "job": os.environ["GITHUB_JOB"]}
    request = urllib.request.Request(f"{os.environ['ACTIONS_ID_TOKEN_REQUEST_URL']}?{urlencode(here)}")  # noqa: S310
    request.add_header("authorization", f"bearer {os.environ['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the runner's, on loopback
            return str(json.load(answer)["value"])
    except urllib.error.HTTPError as error:
        sys.exit(f"::error::no OIDC token: {error.read().decode()}")


def admitted(policy: dict[str, Any], claims: dict[str, Any]) -> bool:
    """Whether one statement of a trust policy lets the bearer of these claims in."""
    return any(
        statement["Effect"] == "Allow"
        and statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        and str(statement["Principal"].get("Federated", "")).endswith(PROVIDER)
        and _all_hold(statement.get("Condition", {}), claims)
        for statement in policy["Statement"]
    )


def _all_hold(conditions: dict[str, dict[str, Any]], claims: dict[str, Any]) -> bool:
    """As IAM: every operator and every key. A policy that does not look at ``sub`` would admit every repository."""
    if not any(f"{PROVIDER}:sub" in tested for tested in conditions.values()):
        return False
    for operator, tested in conditions.items():
        for key, wanted in tested.items():
            value = str(claims.get(key.removeprefix(f"{PROVIDER}:"), ""))
            values = wanted if isinstance(wanted, list) else [wanted]
            if operator == "StringEquals":
                held = value in values
            elif operator == "StringLike":
                held = any(fnmatchcase(value, one) for one in values)
            else:
                sys.exit(f"::error::the trust policy's {operator} is not known here")
            if not held:
                return False
    return True


def main() -> None:
    region, presented = os.environ["REGION"], token()
    claims = jwt.decode(presented, options={"verify_signature": False})
    role = json.loads(os.environ["LOCAL_ROLES"]).get(claims.get("environment"), os.environ["ROLE"])
    nobody = {"aws_access_key_id": "anonymous", "aws_secret_access_key": "anonymous", "region_name": region}
    try:
        policy = boto3.client("iam", **nobody).get_role(RoleName=role.rpartition("/")[2])["Role"]
        if not admitted(policy["AssumeRolePolicyDocument"], claims):
            sys.exit(f"::error::{role} does not trust {claims['sub']}")
        taken = boto3.client("sts", **nobody).assume_role_with_web_identity(
            RoleArn=role, RoleSessionName=os.environ["SESSION"], WebIdentityToken=presented
        )["Credentials"]
    except ClientError as error:
        sys.exit(f"::error::{error}")
    lines = [f"AWS_REGION={region}", f"AWS_DEFAULT_REGION={region}", f"AWS_SESSION_TOKEN={taken['SessionToken']}"]
    lines += [f"{variable}={taken[name]}" for variable, name in HANDED_ON.items()]
    with Path(os.environ["GITHUB_ENV"]).open("a") as environment:
        environment.write("\n".join(lines) + "\n")
    print(f"{claims['sub']} is {role}")


if __name__ == "__main__":
    main()
