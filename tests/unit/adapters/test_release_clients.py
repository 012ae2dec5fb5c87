"""What CodeDeploy and Lambda are asked when a release is tried out, by their own models."""

from __future__ import annotations

import io
from typing import Any

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from chalicelib.adapters.codedeploy import CodeDeploy
from chalicelib.adapters.functions import LambdaFunctions
from chalicelib.errors import StoreDownError
from chalicelib.ports import FunctionVersion


def client(service: str) -> Any:
    return boto3.client(service, region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")


@pytest.fixture
def codedeploy():
    made = client("codedeploy")
    with Stubber(made) as stub:
        yield CodeDeploy(made), stub
        stub.assert_no_pending_responses()


@pytest.fixture
def functions():
    made = client("lambda")
    ticks = iter((10.0, 12.5))
    with Stubber(made) as stub:
        yield LambdaFunctions(made, monotonic=lambda: next(ticks)), stub


def test_a_deployments_target_names_the_version(codedeploy):
    adapter, stub = codedeploy
    stub.add_response("list_deployment_targets", {"targetIds": ["process:live"]}, {"deploymentId": "d-1"})
    info = {"functionName": "process", "functionAlias": "live", "currentVersion": "6", "targetVersion": "7"}
    target = {"deploymentTargetType": "LambdaFunction", "lambdaTarget": {"lambdaFunctionInfo": info}}
    asked = {"deploymentId": "d-1", "targetIds": ["process:live"]}
    stub.add_response("batch_get_deployment_targets", {"deploymentTargets": [target]}, asked)
    assert adapter.shifting_to("d-1") == [FunctionVersion("process", "7")]


@pytest.mark.parametrize(("succeeded", "status"), [(True, "Succeeded"), (False, "Failed")])
def test_a_verdict_has_codedeploys_own_words(codedeploy, succeeded, status):
    adapter, stub = codedeploy
    told = {"deploymentId": "d-1", "lifecycleEventHookExecutionId": "h", "status": status}
    stub.add_response("put_lifecycle_event_hook_execution_status", {"lifecycleEventHookExecutionId": "h"}, told)
    adapter.judge("d-1", "h", succeeded=succeeded)


def test_what_codedeploy_refuses_is_told(codedeploy):
    adapter, stub = codedeploy
    stub.add_client_error("list_deployment_targets", "DeploymentDoesNotExistException", "no such deployment")
    with pytest.raises(StoreDownError, match="no such deployment"):
        adapter.shifting_to("d-1")


def test_a_version_is_called_by_its_number_and_timed(functions):
    adapter, stub = functions
    answer = {"StatusCode": 200, "Payload": StreamingBody(io.BytesIO(b'{"a":1}'), 7)}
    stub.add_response("invoke", answer, {"FunctionName": "f", "Qualifier": "7", "Payload": '{"e": 1}'})
    invoked = adapter.invoke("f", "7", {"e": 1})
    assert (invoked.payload, invoked.failed, invoked.took_s) == ({"a": 1}, False, 2.5)


def test_a_function_that_failed_is_no_failure_of_the_call(functions):
    adapter, stub = functions
    body = b'{"errorMessage":"Unauthorized","errorType":"Exception"}'
    answer = {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": StreamingBody(io.BytesIO(body), len(body))}
    stub.add_response("invoke", answer)
    invoked = adapter.invoke("f", "7", {})
    assert invoked.failed
    assert invoked.payload["errorMessage"] == "Unauthorized"


def test_a_throttled_function_could_not_be_called(functions):
    adapter, stub = functions
    stub.add_client_error("invoke", "TooManyRequestsException", "Rate Exceeded.", http_status_code=429)
    with pytest.raises(StoreDownError, match="f:7 could not be called"):
        adapter.invoke("f", "7", {})


def test_an_answer_that_breaks_off_is_no_answer(functions, monkeypatch):
    adapter, stub = functions
    body = StreamingBody(io.BytesIO(b"{}"), 2)
    monkeypatch.setattr(body, "read", _times_out)
    stub.add_response("invoke", {"StatusCode": 200, "Payload": body})
    with pytest.raises(StoreDownError):
        adapter.invoke("f", "7", {})


def _times_out() -> bytes:
    raise ReadTimeoutError(endpoint_url="https://lambda")
