"""Handlers run as on Lambda: in processes of their own, one invocation at a time."""

import asyncio
import contextlib
import os
import signal
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
import uvloop

from localcloud.functions import FunctionSpec
from localcloud.runtime import Runtime, RuntimeStoppedError, UnknownFunctionError
from localcloud.zygote import AppImportError

APP = '''
import os, sys, time
from decimal import Decimal

print("imported with", os.environ.get("COLOUR"))
calls = 0


def count(event, context):
    global calls
    calls += 1
    return {"calls": calls, "pid": os.getpid(), "event": event}


def environment(event, context):
    return {name: os.environ.get(name) for name in event}


def describe(event, context):
    return {
        "request_id": context.aws_request_id,
        "name": context.function_name,
        "version": context.function_version,
        "arn": context.invoked_function_arn,
        "memory": context.memory_limit_in_mb,
        "group": context.log_group_name,
        "stream": context.log_stream_name,
        "identity": context.identity,
        "client": context.client_context,
        "remaining": context.get_remaining_time_in_millis(),
        "trace": os.environ["_X_AMZN_TRACE_ID"],
    }


def raises(event, context):
    raise ValueError("no such coin")


def leaves(event, context):
    sys.exit(3)


def unmarshallable(event, context):
    return {1, 2}


def number(event, context):
    return Decimal("1.5")


def big(event, context):
    return "x" * (7 * 1024 * 1024)


def says(event, context):
    for index in range(event):
        print("line", index)
    print("to stderr", file=sys.stderr)
    os.write(1, b"no newline")
    return "done"


def waits(event, context):
    """Until the file that the event names is there."""
    with open(event + ".pid", "w") as file:
        file.write(str(os.getpid()))
    while not os.path.exists(event):
        time.sleep(0.002)
    return os.getpid()
'''
HANDLERS = [
    *("count", "environment", "describe", "raises", "leaves", "unmarshallable", "number", "big", "says", "waits"),
]


def specs(**timeouts):
    named = [FunctionSpec(name, f"app.{name}", timeout_s=timeouts.get(name, 10)) for name in HANDLERS]
    return [*named, FunctionSpec("absent", "app.absent")]


@pytest.fixture
def project(tmp_path):
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


@pytest.fixture
def lines():
    return []


@pytest.fixture
async def runtime(project, lines):
    runtime = Runtime(
        specs(waits=1.5),
        env={"COLOUR": "green"},
        project_dir=project,
        max_workers={"waits": 2, "count": 1},
        on_log=lambda function, line: lines.append((function, line)),
    )
    await runtime.start()
    yield runtime
    await runtime.stop()


async def until(condition, timeout_s=5.0):
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.005)


def touch(file):
    Path(file).touch()


def alive(pid):
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


async def test_a_worker_starts_cold_and_keeps_its_globals(runtime):
    first = await runtime.invoke("count", {"n": 1})
    second = await runtime.invoke("count", {"n": 2})
    assert (first.payload["calls"], second.payload["calls"]) == (1, 2)
    assert (first.cold_start, second.cold_start) == (True, False)
    assert runtime.workers("count") == [first.payload["pid"]] == [second.payload["pid"]]
    assert second.payload["event"] == {"n": 2}
    assert second.error is None
    assert second.duration_ms > 0


async def test_handlers_see_their_environment_and_not_ours(runtime, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    names = ["COLOUR", "AWS_SECRET_ACCESS_KEY", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    answer = await runtime.invoke("environment", names)
    assert list(answer.payload.values()) == ["green", None, "environment", "128"]


async def test_the_context_is_lambdas(runtime):
    answer = await runtime.invoke("describe", {}, trace_header="Root=1-5759e988-bd862e3fe1be46a994272793")
    said = answer.payload
    assert said["request_id"] == answer.request_id
    assert said["arn"] == "arn:aws:lambda:us-east-1:000000000000:function:describe"
    assert (said["name"], said["version"], said["memory"]) == ("describe", "$LATEST", "128")
    assert said["group"] == "/aws/lambda/describe"
    assert "[$LATEST]" in said["stream"]
    assert said["identity"] is said["client"] is None
    assert 9_000 < said["remaining"] <= 10_000
    assert said["trace"].startswith("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=")
    untraced = await runtime.invoke("describe", {})
    assert untraced.payload["trace"].endswith("Sampled=0")


async def test_an_exception_is_an_answer_in_lambdas_words(runtime, lines):
    answer = await runtime.invoke("raises", {})
    assert answer.payload is None
    assert answer.error["errorType"] == "ValueError"
    assert answer.error["errorMessage"] == "no such coin"
    assert answer.error["requestId"] == answer.request_id
    assert len(answer.error["stackTrace"]) == 1
    assert "in raises" in answer.error["stackTrace"][0]
    assert ("raises", "[ERROR] ValueError: no such coin") in lines
    assert len(runtime.workers("raises")) == 1


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        ("unmarshallable", "Runtime.MarshalError", "Object of type set is not JSON serializable"),
        ("leaves", "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ("absent", "Runtime.HandlerNotFound", "app.absent"),
        ("big", "Function.ResponseSizeTooLarge", "6291556 bytes"),
    ],
)
async def test_what_lambda_refuses_has_lambdas_error(runtime, function, kind, words):
    answer = await runtime.invoke(function, {})
    assert answer.error["errorType"] == kind
    assert words in answer.error["errorMessage"]


async def test_a_decimal_answer_is_a_number(runtime):
    assert (await runtime.invoke("number", {})).payload == 1.5


async def test_an_overdue_worker_is_killed_and_replaced(runtime, tmp_path):
    go = tmp_path / "never"
    answer = await runtime.invoke("waits", str(go))
    assert answer.error["errorType"] == "Sandbox.Timedout"
    assert answer.error["errorMessage"].endswith("Task timed out after 1.50 seconds")
    pid = int((tmp_path / "never.pid").read_text())
    await until(lambda: not alive(pid))
    go.touch()
    again = await runtime.invoke("waits", str(go))
    assert again.cold_start
    assert again.payload != pid


async def test_a_worker_killed_in_mid_job_ends_only_its_own_invocation(runtime, tmp_path):
    victim, other = (str(tmp_path / name) for name in ("victim", "other"))
    killed = asyncio.create_task(runtime.invoke("waits", victim))
    await until(lambda: Path(victim + ".pid").exists())
    [pid] = runtime.workers("waits")
    surviving = asyncio.create_task(runtime.invoke("waits", other))
    await until(lambda: Path(other + ".pid").exists())
    os.kill(pid, signal.SIGKILL)
    error = (await killed).error
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: signal: killed")
    touch(other)
    assert (await surviving).error is None
    assert pid not in runtime.workers("waits")


async def test_beyond_the_maximum_invocations_wait_their_turn(runtime):
    answers = await asyncio.gather(*(runtime.invoke("count", n) for n in range(20)))
    assert [answer.payload["event"] for answer in answers] == list(range(20))
    assert [answer.payload["calls"] for answer in answers] == list(range(1, 21))
    assert len(runtime.workers("count")) == 1


async def test_a_cancelled_wait_passes_its_turn_on(runtime, tmp_path):
    files = [str(tmp_path / str(n)) for n in range(4)]
    calls = [asyncio.create_task(runtime.invoke("waits", file)) for file in files]
    await until(lambda: Path(files[0] + ".pid").exists() and Path(files[1] + ".pid").exists())
    calls[2].cancel()
    for file in files:
        touch(file)
    assert (await calls[3]).error is None
    assert len(runtime.workers("waits")) == 2


async def test_a_cancelled_invocation_takes_its_worker_along(runtime, tmp_path):
    file = str(tmp_path / "file")
    call = asyncio.create_task(runtime.invoke("waits", file))
    await until(lambda: Path(file + ".pid").exists())
    [pid] = runtime.workers("waits")
    call.cancel()
    await until(lambda: not runtime.workers("waits"))
    assert not alive(pid)


async def test_every_line_arrives_before_the_answer(runtime, lines):
    for _ in range(3):
        lines.clear()
        await runtime.invoke("says", 500)
        said = [line for function, line in lines if function == "says"]
        assert [line for line in said if line.startswith("line ")] == [f"line {n}" for n in range(500)]
        assert "to stderr" in said
        assert said[-1] == "no newline"


async def test_what_the_app_prints_at_import_is_logged(runtime, lines):
    await until(lambda: ("(import)", "imported with green") in lines)


async def test_prewarmed_workers_answer_warm(runtime):
    await runtime.prewarm("waits", 5)
    await runtime.prewarm("waits", 1)
    assert len(runtime.workers("waits")) == 2 == runtime.limit("waits")
    assert not (await runtime.invoke("waits", "/")).cold_start


async def test_large_events_and_answers_pass_whole(runtime):
    event = {"Records": [{"body": '{"text": "\\u00e9' + "x" * 200_000 + '"}'} for _ in range(10)]}
    assert (await runtime.invoke("count", event)).payload["event"] == event


async def test_an_unknown_function_is_named(runtime):
    with pytest.raises(UnknownFunctionError, match="nobody"):
        await runtime.invoke("nobody", {})


async def test_a_lost_zygote_is_replaced(runtime):
    pid = (await runtime.invoke("count", 0)).payload["pid"]
    parent = psutil.Process(pid).ppid()
    os.kill(parent, signal.SIGKILL)
    await until(lambda: not runtime.workers("count"))
    await until(lambda: not alive(pid))
    answer = await runtime.invoke("count", 0)
    assert answer.cold_start
    assert answer.payload["pid"] != pid


async def test_stop_leaves_no_process(project):
    runtime = Runtime(specs(), env={}, project_dir=project)
    await runtime.start()
    waiting = asyncio.create_task(runtime.invoke("waits", str(project / "never")))
    await until(lambda: (project / "never.pid").exists())
    await runtime.invoke("count", 0)
    pids = runtime.workers("waits") + runtime.workers("count")
    pids.append(psutil.Process(pids[0]).ppid())
    await runtime.stop()
    assert not any(map(alive, pids))
    assert (await waiting).error["errorType"] == "Runtime.ExitError"
    with pytest.raises(RuntimeStoppedError):
        await runtime.invoke("count", 0)


async def test_an_app_that_cannot_be_imported_says_why(tmp_path):
    (tmp_path / "app.py").write_text("import nothing_of_this_name\n")
    runtime = Runtime([FunctionSpec("count", "app.count")], env={}, project_dir=tmp_path)
    with pytest.raises(AppImportError, match=r"(?s)nothing_of_this_name.*app.py"):
        await runtime.start()


PARENT = """
import asyncio, sys
from pathlib import Path
from localcloud.functions import FunctionSpec
from localcloud.runtime import Runtime

async def main(project):
    specs = [FunctionSpec(name, "app." + name) for name in ("waits", "count")]
    runtime = Runtime(specs, env={}, project_dir=project)
    await runtime.start()
    idle = (await runtime.invoke("count", 0)).payload["pid"]
    busy = asyncio.create_task(runtime.invoke("waits", str(project / "never")))
    while not (project / "never.pid").exists():
        await asyncio.sleep(0.005)
    print(idle, *runtime.workers("waits"), flush=True)
    await busy

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.mark.parametrize("with_zygote", [False, True])
async def test_no_worker_outlives_a_killed_parent(project, with_zygote):
    """Not even a busy one, and not when parent and zygote are killed together."""
    if with_zygote and sys.platform != "linux":
        pytest.skip("only Linux kills a process with its parent")
    root = Path(__file__).parents[3]
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(PARENT), str(project)), cwd=root, stdout=asyncio.subprocess.PIPE
    )
    pids = [int(pid) for pid in (await parent.stdout.readline()).split()]
    zygote = psutil.Process(pids[0]).ppid()
    for pid in [parent.pid, zygote] if with_zygote else [parent.pid]:
        os.kill(pid, signal.SIGKILL)
    await parent.wait()
    await until(lambda: not any(map(alive, [*pids, zygote])))


async def test_an_interrupt_at_the_terminal_reaches_only_the_parent(runtime):
    pid = (await runtime.invoke("count", 0)).payload["pid"]
    assert os.getsid(pid) != os.getsid(0)
    assert os.getpgid(pid) != os.getpgid(0)


def test_it_runs_on_uvloop_as_well(project):
    async def scenario():
        runtime = Runtime(specs(waits=0.3), env={}, project_dir=project)
        await runtime.start()
        answers = await asyncio.gather(
            runtime.invoke("count", 1), runtime.invoke("leaves", 1), runtime.invoke("waits", str(project / "never"))
        )
        await runtime.stop()
        return [answer.error and answer.error["errorType"] for answer in answers]

    assert uvloop.run(scenario()) == [None, "Runtime.ExitError", "Sandbox.Timedout"]
