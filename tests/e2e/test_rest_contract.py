"""The REST API does what its own OpenAPI document says, whatever it is sent (Schemathesis)."""

from __future__ import annotations

import asyncio
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest

from localcloud.testing import LocalCloud, observation

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

# unsupported_method wants 405, where API Gateway gives 403: it has no such route. ignored_auth wants a key
# to be needed, which it is for nothing. positive_data_acceptance: a schema cannot say which topics there are, or that
# `from` is before `to`; what is refused is refused with a documented problem all the same, and that is checked.
NOT_CHECKED = "unsupported_method,ignored_auth,positive_data_acceptance"


async def test_every_answer_is_documented_and_none_is_our_fault(cloud: LocalCloud, tmp_path: Path) -> None:
    """Malformed and well-formed requests to every route: statuses, media types, headers and bodies as documented."""
    now = datetime.now(UTC)
    await cloud.publish([observation("price:ethereum", 3000 + n, now - timedelta(minutes=30 - n)) for n in range(30)])
    document = tmp_path / "openapi.json"  # of its address Schemathesis would leave the route that serves it untested
    document.write_bytes(await asyncio.to_thread(lambda: urlopen(f"{cloud.url}/v1/openapi.json").read()))
    run = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        *("run", str(document), "--url", cloud.url, "--header", f"x-api-key: {cloud.key}"),
        *("--checks", "all", "--exclude-checks", NOT_CHECKED, "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", "10", "--workers", "1", "--seed", "1", "--no-color"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await run.communicate())[0].decode()
    assert run.returncode == 0, output[-8000:]
    cases = re.search(r"(\d+) generated, (\d+) passed", output)
    assert cases, output[-2000:]
    assert int(cases[1]) == int(cases[2]) > 300
    assert re.search(r"(\d+) selected / \1 total", output), output[:1000]
