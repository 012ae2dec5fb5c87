"""The answer to CloudFormation: put, tried again, never told to anyone else."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chalicelib.adapters.cloudformation import PAUSES_S, CloudFormation
from chalicelib.errors import StoreDownError
from localcloud.processes import free_port

BODY = {"Status": "SUCCESS", "Reason": "done"}


class Bucket:
    """Takes PUTs, answering with ``statuses`` in turn and then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.puts: list[tuple[str, str | None, bytes]] = []
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bucket.puts.append((self.path, self.headers["Content-Type"], body))
                self.send_response_only(bucket.statuses.pop(0) if bucket.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/answer?X-Amz-Signature=s3cr3t"


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    bucket = Bucket()
    thread = threading.Thread(target=bucket.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield bucket
    bucket.server.shutdown()
    thread.join()
    bucket.server.server_close()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def cloudformation(waits) -> CloudFormation:
    return CloudFormation(sleep=waits.append)


def test_it_is_put_to_the_whole_url_without_a_content_type(bucket, cloudformation):
    """S3 checks the signature over both."""
    cloudformation.answer(bucket.url, BODY)
    ((path, content_type, body),) = bucket.puts
    assert (path, content_type, json.loads(body)) == ("/answer?X-Amz-Signature=s3cr3t", "", BODY)


def test_a_failing_server_is_asked_again(bucket, cloudformation, waits):
    bucket.statuses = [500, 503]
    cloudformation.answer(bucket.url, BODY)
    assert (len(bucket.puts), waits) == (3, list(PAUSES_S[:2]))


def test_it_gives_up_after_four_times(bucket, cloudformation, waits):
    bucket.statuses = [503] * 10
    with pytest.raises(StoreDownError, match="503"):
        cloudformation.answer(bucket.url, BODY)
    assert (len(bucket.puts), waits) == (4, list(PAUSES_S))


def test_a_refusal_is_final(bucket, cloudformation, waits):
    bucket.statuses = [403]
    with pytest.raises(StoreDownError, match="403"):
        cloudformation.answer(bucket.url, BODY)
    assert waits == []


def test_nobody_there_is_an_error_without_the_url(cloudformation, waits):
    with pytest.raises(StoreDownError) as caught:
        cloudformation.answer(f"http://127.0.0.1:{free_port()}/answer?X-Amz-Signature=s3cr3t", BODY)
    assert waits == list(PAUSES_S)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_it_goes_over_tls_or_stays_on_this_machine(cloudformation):
    with pytest.raises(StoreDownError, match="not https"):
        cloudformation.answer("http://bucket.s3.amazonaws.com/answer", BODY)
