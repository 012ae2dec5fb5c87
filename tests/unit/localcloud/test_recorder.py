"""What a role would have to allow, read from what a function signs."""

import json
import textwrap

from localcloud.functions import FunctionSpec
from localcloud.runtime import Runtime

APP = """
import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError

ONCE = Config(retries={"total_max_attempts": 1}, connect_timeout=0.2)


def sends(event, context):
    client = boto3.Session().client("sqs", endpoint_url="http://127.0.0.1:9", config=ONCE)
    for _ in range(2):
        try:
            client.send_message(QueueUrl="https://queue", MessageBody="a secret")
        except BotoCoreError as error:
            print(type(error).__name__)


def logs_in(event, context):
    request = AWSRequest("GET", "http://group/", params={"Action": "connect", "User": "functions"})
    SigV4QueryAuth(ReadOnlyCredentials("a", "b", None), "elasticache", "eu-west-1", 900).add_auth(request)
    return request.url
"""

ENV = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}


async def record(tmp_path, *functions):
    """The lines that one invocation each leaves."""
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    calls = tmp_path / "calls.jsonl"
    specs = [FunctionSpec(name=name, handler=f"app.{name}") for name in functions]
    runtime = Runtime(specs, env=ENV, project_dir=tmp_path, record_calls=calls)
    await runtime.start()
    answers = [await runtime.invoke(name, {}) for name in functions]
    await runtime.stop()
    assert [answer.error for answer in answers] == [None] * len(functions)
    return [json.loads(line) for line in calls.read_text().splitlines()], answers


async def test_a_call_is_written_once_with_its_function_and_its_resource(tmp_path):
    """Even one that nobody answers: IAM would have judged it first."""
    lines, _ = await record(tmp_path, "sends")
    assert lines == [
        {"function": "sends", "service": "sqs", "operation": "SendMessage", "resources": ["https://queue"]}
    ]


async def test_nothing_but_the_name_of_the_resource_is_kept(tmp_path):
    await record(tmp_path, "sends")
    assert "a secret" not in (tmp_path / "calls.jsonl").read_text()


async def test_a_presigned_login_is_a_call_and_is_signed_as_before(tmp_path):
    lines, (answer,) = await record(tmp_path, "logs_in")
    assert [(line["service"], line["operation"], line["resources"]) for line in lines] == [
        ("elasticache", "connect", ["group", "functions"])
    ]
    assert "X-Amz-Signature=" in answer.payload


async def test_without_the_option_nothing_is_written(tmp_path):
    (tmp_path / "app.py").write_text(textwrap.dedent(APP))
    runtime = Runtime([FunctionSpec(name="sends", handler="app.sends")], env=ENV, project_dir=tmp_path)
    await runtime.start()
    await runtime.invoke("sends", {})
    await runtime.stop()
    assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["app.py"]
