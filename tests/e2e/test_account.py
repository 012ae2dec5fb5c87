"""The local account as whoever deploys to it meets it: by boto3, with a small stack; and its command."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from websockets.sync.client import ClientConnection, connect

from localcloud.account.account import LocalAccount
from tests.account_stack import GROUP_ALARM, Stack, await_true, template

ROOT = Path(__file__).resolve().parents[2]
ALL = ["MetricAlarm", "CompositeAlarm"]

pytestmark = pytest.mark.timeout(300)


@contextmanager
def running(account: LocalAccount) -> Iterator[LocalAccount]:
    """On a loop of its own thread: databases are asked for while a test waits."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result()

    try:
        run(account.__aenter__())
        yield account
        run(account.__aexit__())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="module")
def account() -> Iterator[LocalAccount]:
    with running(LocalAccount(minute_s=1)) as here:
        yield here


@pytest.fixture
def stack(account: LocalAccount) -> Iterator[Stack]:
    """One that serves release one, deleted afterwards."""
    made = Stack(account.client, "tiny")
    assert made.deploy(template("one")) == "CREATE_COMPLETE", made.reasons()
    await_true(lambda: set(states(account).values()) == {"OK"}, "its alarms have forgotten the stack before")
    yield made
    made.cloudformation.delete_stack(StackName=made.name)
    await_true(lambda: not made.status(), "the stack is deleted")


def states(account: LocalAccount) -> dict[str, str]:
    found = account.client("cloudwatch").describe_alarms(AlarmTypes=ALL)
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in found["MetricAlarms"] + found["CompositeAlarms"]}


def newest_deployment(account: LocalAccount) -> dict[str, Any]:
    codedeploy = account.client("codedeploy")
    identity = codedeploy.list_deployments()["deployments"][0]
    found: dict[str, Any] = codedeploy.get_deployment(deploymentId=identity)["deploymentInfo"]
    return found


def test_a_canary_sends_a_tenth_of_the_calls_to_the_new_version_and_then_all(
    account: LocalAccount, stack: Stack
) -> None:
    stack.begin(template("two"))
    await_true(lambda: stack.alias().get("RoutingConfig"), "the canary has begun")
    served = Counter(stack.releases(100))
    assert served.keys() == {"one", "two"}
    assert served["two"] < 40, "a tenth of 100, but for chance"
    assert stack.ended() == "UPDATE_COMPLETE", stack.reasons()
    assert set(stack.releases(20)) == {"two"}
    told = newest_deployment(account)
    codedeploy, deployment = account.client("codedeploy"), told["deploymentId"]
    targets = codedeploy.list_deployment_targets(deploymentId=deployment)["targetIds"]
    (moved,) = codedeploy.batch_get_deployment_targets(deploymentId=deployment, targetIds=targets)["deploymentTargets"]
    assert moved["lambdaTarget"]["lambdaFunctionInfo"]["functionAlias"] == "live"
    assert (told["status"], told["deploymentConfigName"]) == (
        "Succeeded",
        "CodeDeployDefault.LambdaCanary10Percent5Minutes",
    )


def test_errors_of_the_new_version_put_the_alarm_on_and_the_old_one_serves_again(
    account: LocalAccount, stack: Stack
) -> None:
    before = stack.alias()["FunctionVersion"]
    stack.begin(template("two", broken=True))
    await_true(lambda: "error" in stack.releases(10) or stack.status().endswith("COMPLETE"), "the new version fails")
    assert stack.ended() == "UPDATE_ROLLBACK_COMPLETE"
    assert f"alarm {GROUP_ALARM} is in ALARM" in stack.reasons()
    assert set(stack.releases(20)) == {"one"}
    assert stack.alias()["FunctionVersion"] == before
    assert newest_deployment(account)["errorInformation"]["code"] == "ALARM_ACTIVE"
    history = account.client("cloudwatch").describe_alarm_history(AlarmName=GROUP_ALARM)["AlarmHistoryItems"]
    assert "Alarm updated from OK to ALARM" in [item["HistorySummary"] for item in history]


def test_a_release_that_the_hook_refuses_gets_no_traffic(account: LocalAccount, stack: Stack) -> None:
    assert stack.deploy(template("two", hook_says="Failed")) == "UPDATE_ROLLBACK_COMPLETE"
    assert "says Failed" in stack.reasons()
    assert set(stack.releases(20)) == {"one"}
    assert newest_deployment(account)["status"] == "Failed"


def test_a_deployment_that_is_stopped_sends_the_traffic_back(account: LocalAccount, stack: Stack) -> None:
    stack.begin(template("two", kind="Canary10Percent30Minutes"))
    await_true(lambda: stack.alias().get("RoutingConfig"), "the canary has begun")
    account.client("codedeploy").stop_deployment(deploymentId=newest_deployment(account)["deploymentId"])
    assert stack.ended() == "UPDATE_ROLLBACK_COMPLETE"
    assert set(stack.releases(20)) == {"one"}


def test_an_update_that_is_cancelled_during_its_canary_is_rolled_back(account: LocalAccount, stack: Stack) -> None:
    stack.begin(template("two", kind="Canary10Percent30Minutes"))
    await_true(lambda: stack.alias().get("RoutingConfig"), "the canary has begun")
    stack.cloudformation.cancel_update_stack(StackName=stack.name)
    assert stack.ended() == "UPDATE_ROLLBACK_COMPLETE"
    assert "User Initiated" in stack.reasons()
    assert set(stack.releases(20)) == {"one"}


def test_an_alarm_after_the_update_rolls_the_stack_back(account: LocalAccount, stack: Stack) -> None:
    """The new version is fine until it serves everyone."""
    cloudwatch = account.client("cloudwatch")
    arn = cloudwatch.describe_alarms(AlarmNames=["tiny-either"], AlarmTypes=ALL)["CompositeAlarms"][0]["AlarmArn"]
    triggers = {
        "RollbackTriggers": [{"Arn": arn, "Type": "AWS::CloudWatch::CompositeAlarm"}],
        "MonitoringTimeInMinutes": 60,
    }
    stack.begin(template("two", kind="AllAtOnce"), RollbackConfiguration=triggers)
    await_true(lambda: stack.alias()["FunctionVersion"] != "1", "all traffic has moved")
    assert stack.status() == "UPDATE_IN_PROGRESS"
    stack.call(fail=True)
    assert stack.ended() == "UPDATE_ROLLBACK_COMPLETE"
    assert "tiny-either is in ALARM" in stack.reasons()
    assert set(stack.releases(20)) == {"one"}


def test_what_functions_log_reaches_alarms_and_composites(account: LocalAccount, stack: Stack) -> None:
    stack.call()
    await_true(lambda: states(account)["tiny-answering"] == "ALARM", "a metric that it logged")
    await_true(lambda: states(account)["tiny-answering"] == "OK", "a minute without")


def test_an_alias_that_somebody_has_moved_is_not_deployed_over(account: LocalAccount, stack: Stack) -> None:
    assert stack.deploy(template("two", kind="AllAtOnce")) == "UPDATE_COMPLETE", stack.reasons()
    stack.functions.update_alias(FunctionName="tiny", Name="live", FunctionVersion="1")
    assert stack.deploy(template("three")) == "UPDATE_ROLLBACK_COMPLETE"
    assert "somebody has moved it" in stack.reasons()
    assert set(stack.releases(10)) == {"one"}


def test_what_sam_decides_by_a_parameter_goes_by_its_value(account: LocalAccount, stack: Stack) -> None:
    """Whether CodeDeploy has a say is such a thing: a rollback's stack must not be shifted again."""
    body = template("two", kind="Canary10Percent30Minutes")
    body["Parameters"] = {"Shifts": {"Type": "String", "Default": "true"}}
    body["Resources"]["Tiny"]["Properties"]["DeploymentPreference"]["Enabled"] = {"Ref": "Shifts"}
    off = [{"ParameterKey": "Shifts", "ParameterValue": "false"}]
    assert stack.deploy(body, Parameters=off) == "UPDATE_COMPLETE", stack.reasons()
    assert set(stack.releases(10)) == {"two"}
    held = stack.cloudformation.describe_stack_resources(StackName=stack.name)["StackResources"]
    assert "AWS::CodeDeploy::DeploymentGroup" not in {each["ResourceType"] for each in held}


def test_an_error_says_its_class(account: LocalAccount, stack: Stack) -> None:
    """As the hook expects of a rotation that is declined."""
    assert stack.call(fail=True)["errorType"] == "RuntimeError"


def test_the_frames_of_a_socket_go_to_both_versions_while_traffic_shifts(account: LocalAccount, stack: Stack) -> None:
    """And one that the new version fails on is answered as API Gateway does, on a connection that stays."""
    socket = Stack(account.client, "socket")
    assert socket.deploy(SOCKET) == "CREATE_COMPLETE", socket.reasons()
    (output,) = socket.cloudformation.describe_stacks(StackName="socket")["Stacks"][0]["Outputs"]
    url = f"{account.url.replace('http', 'ws', 1)}/_aws/execute-api/{output['OutputValue']}/ws"
    with connect(url) as client:
        assert said(client)["release"] == "one"
        stack.begin(template("two", broken=True, kind="Linear10PercentEvery10Minutes"))
        await_true(lambda: stack.alias().get("RoutingConfig"), "traffic has begun to shift")
        half = {"AdditionalVersionWeights": {"2": 0.5}}
        stack.functions.update_alias(FunctionName="tiny", Name="live", FunctionVersion="1", RoutingConfig=half)
        answers = [said(client) for _ in range(40)]
    assert {answer.get("release") for answer in answers} == {"one", None}
    (failed, *_) = [answer for answer in answers if "release" not in answer]
    assert failed["message"] == "Internal server error"
    assert failed.keys() == {"message", "connectionId", "requestId"}
    assert stack.ended() == "UPDATE_ROLLBACK_COMPLETE"
    socket.cloudformation.delete_stack(StackName="socket")


def said(client: ClientConnection) -> dict[str, Any]:
    client.send("{}")
    answer: dict[str, Any] = json.loads(client.recv(30))
    return answer


ALIAS = "arn:aws:lambda:us-east-1:000000000000:function:tiny:live"
SOCKET: dict[str, Any] = {
    "Resources": {
        "Api": {
            "Type": "AWS::ApiGatewayV2::Api",
            "Properties": {
                "Name": "tiny",
                "ProtocolType": "WEBSOCKET",
                "RouteSelectionExpression": "$request.body.action",
            },
        },
        "Integration": {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ALIAS}/invocations",
            },
        },
        "Route": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": {
                "ApiId": {"Ref": "Api"},
                "RouteKey": "$default",
                "RouteResponseSelectionExpression": "$default",
                "Target": {"Fn::Sub": "integrations/${Integration}"},
            },
        },
        "Stage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": {"Ref": "Api"}, "StageName": "ws", "AutoDeploy": True},
        },
    },
    "Outputs": {"ApiId": {"Value": {"Ref": "Api"}}},
}


def test_a_worker_outlives_an_exception_of_its_handler(account: LocalAccount, stack: Stack) -> None:
    before = stack.call()["process"]
    assert stack.call(fail=True)["errorMessage"] == "asked to"
    assert stack.call()["process"] == before


def test_nothing_of_ours_shows_in_the_stack(account: LocalAccount, stack: Stack) -> None:
    """The diff of the next change set would show it."""
    held = stack.cloudformation.describe_stack_resources(StackName=stack.name)["StackResources"]
    events = stack.cloudformation.describe_stack_events(StackName=stack.name)["StackEvents"]
    kinds = {each["ResourceType"] for each in [*held, *events]}
    assert not [kind for kind in kinds if not kind.startswith("AWS::")]
    kept = stack.cloudformation.get_template(StackName=stack.name, TemplateStage="Original")["TemplateBody"]
    assert kept == template("one")


def test_a_type_that_is_neither_made_nor_stood_in_for_is_refused_by_name(account: LocalAccount) -> None:
    with pytest.raises(ClientError, match="AWS::NoSuch::Thing"):
        Stack(account.client, "stranger").begin({"Resources": {"Stranger": {"Type": "AWS::NoSuch::Thing"}}})


def test_a_database_of_a_stack_is_a_real_one(account: LocalAccount) -> None:
    database = {"Engine": "postgres", "DBName": "shop", "MasterUsername": "keeper", "AllocatedStorage": "20"}
    stack = Stack(account.client, "shop")
    outputs = {"Port": {"Value": {"Fn::GetAtt": ["Db", "Endpoint.Port"]}}}
    body = {"Resources": {"Db": {"Type": "AWS::RDS::DBInstance", "Properties": database}}, "Outputs": outputs}
    assert stack.deploy(body) == "CREATE_COMPLETE", stack.reasons()
    (output,) = stack.cloudformation.describe_stacks(StackName="shop")["Stacks"][0]["Outputs"]
    url = f"postgresql://keeper@127.0.0.1:{output['OutputValue']}/shop"
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("keeper",)
    stack.cloudformation.delete_stack(StackName="shop")
    await_true(lambda: not accepts(url), "its server ends with it")


def accepts(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def test_the_command_tells_how_to_talk_to_it_and_leaves_nothing(tmp_path: Path) -> None:
    state = tmp_path / "account.json"
    command = [sys.executable, "-m", "localcloud.account", "--minute", "2s", "--state", str(state), "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        told = json.loads(process.stdout.readline())
        assert json.loads(state.read_text()) == told
        sourced = subprocess.run(
            [sys.executable, "-m", "localcloud.account", "--from", str(state)], cwd=ROOT, capture_output=True, text=True
        )
        assert f"export AWS_ENDPOINT_URL={told['url']}" in sourced.stdout.splitlines()
        env = told["env"]
        s3 = boto3.client(
            "s3",
            endpoint_url=env["AWS_ENDPOINT_URL"],
            region_name=env["AWS_REGION"],
            aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        )
        assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [told["bucket"]]
        assert {"REDIS_URL", "a minute"} <= {each["what"] for each in told["differences"]}
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert not state.exists()


def test_a_minute_of_nothing_is_refused() -> None:
    command = [sys.executable, "-m", "localcloud.account", "--minute", "0"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--minute" in refused.stderr
