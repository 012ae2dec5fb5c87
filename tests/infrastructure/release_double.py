"""What verify_release calls: CodeDeploy, with a deployment of every function, and Lambda, whose answers are all one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

DEPLOYMENT = {"DeploymentId": "d-RECORDED", "LifecycleEventHookExecutionId": "recorded"}


@asynccontextmanager
async def release(functions: Iterable[str]) -> AsyncIterator[dict[str, str]]:
    """The variables that lead a function's clients here."""
    targets = {f"{name}:live": {"functionName": name, "targetVersion": "2"} for name in functions}
    answers = {
        "ListDeploymentTargets": {"targetIds": list(targets)},
        "BatchGetDeploymentTargets": {
            "deploymentTargets": [{"lambdaTarget": {"lambdaFunctionInfo": each}} for each in targets.values()]
        },
        "PutLifecycleEventHookExecutionStatus": {},
    }

    async def codedeploy(request: web.Request) -> web.Response:
        operation = request.headers["X-Amz-Target"].partition(".")[2]
        return web.Response(text=json.dumps(answers[operation]), content_type="application/x-amz-json-1.1")

    async def invoke(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/", codedeploy)
    app.router.add_post("/2015-03-31/functions/{name}/invocations", invoke)
    async with TestServer(app) as server:
        url = str(server.make_url("")).rstrip("/")
        yield {"AWS_ENDPOINT_URL_CODEDEPLOY": url, "AWS_ENDPOINT_URL_LAMBDA": url}
