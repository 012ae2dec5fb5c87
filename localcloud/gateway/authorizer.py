"""What an authorizer's answer means: API Gateway's reading of a Lambda authorizer's policy and context."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache
from re import Pattern
from re import compile as compile_pattern
from typing import Any

MAX_RESULT_BYTES = 8 * 1024  # API Gateway quota "AuthorizerResultTtl … result size"
ACTION = "execute-api:Invoke"


class BadAnswerError(Exception):
    """The answer is none that API Gateway can use: the client gets a 500."""


class DeniedError(Exception):
    """The policy does not allow the call: the client gets a 403 with this text."""


def evaluate(answer: Any, method_arn: str) -> dict[str, Any]:
    """The ``requestContext.authorizer`` of an allowed connection. Raises DeniedError or BadAnswerError."""
    if not isinstance(answer, dict) or not isinstance(answer.get("principalId"), str):
        raise BadAnswerError("no principalId")
    if len(json.dumps(answer, default=str)) > MAX_RESULT_BYTES:
        raise BadAnswerError("the result is over 8 KB")
    context = _context(answer.get("context"))
    _check_policy(answer.get("policyDocument"), method_arn)
    return {**context, "principalId": answer["principalId"]}


def _context(context: Any) -> dict[str, str]:
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise BadAnswerError("context is not an object")
    return {str(name): _plain(name, value) for name, value in context.items() if value is not None}


def _plain(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise BadAnswerError(f"context value {name!r} is neither string, number nor boolean")


def _check_policy(policy: Any, method_arn: str) -> None:
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not all(isinstance(statement, dict) for statement in statements):
        raise BadAnswerError("no policy statements")
    effects = [statement.get("Effect") for statement in statements if _applies(statement, method_arn)]
    if "Deny" in effects:
        raise DeniedError("User is not authorized to access this resource with an explicit deny")
    if "Allow" not in effects:
        raise DeniedError("User is not authorized to access this resource")


def _applies(statement: dict[str, Any], method_arn: str) -> bool:
    # IAM compares actions without regard to case, resources with it.
    return any(_like(pattern.lower(), ACTION.lower()) for pattern in _listed(statement.get("Action"))) and any(
        _like(pattern, method_arn) for pattern in _listed(statement.get("Resource"))
    )


def _listed(value: Any) -> Iterable[str]:
    return [value] if isinstance(value, str) else [item for item in value or () if isinstance(item, str)]


def _like(pattern: str, text: str) -> bool:
    return _compiled(pattern).match(text) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Pattern[str]:
    # Only * and ? are wildcards in a policy; fnmatch also knows [sets].
    return compile_pattern(translate(pattern.replace("[", "[[]")))
