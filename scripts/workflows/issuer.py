"""GitHub's part in OIDC, on loopback: a token for each job that may have one, that says whose job it is."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import jwt

from scripts.workflows.definitions import Job

ISSUER = "https://token.actions.githubusercontent.com"
LIFE = timedelta(minutes=5)


class RefusedError(Exception):
    """The job gets no token; the text says why."""


class Issuer:
    """Tokens for the jobs of one run of one repository."""

    def __init__(self, repository: str, jobs: Sequence[Job]) -> None:
        self._repository = repository
        self._jobs = jobs
        self._key = secrets.token_hex(32)
        self.password = secrets.token_hex(16)
        self.issued: list[str] = []

    def token(self, workflow: str, name: str, audience: str) -> str:
        """Raises RefusedError for a job that did not ask for `id-token: write`, or is none of this run's."""
        found = [job for job in self._jobs if (job.workflow, job.name) == (workflow, name)]
        if not found:
            raise RefusedError(f"this run has no job {name} of {workflow}")
        if not found[0].may_ask_for_a_token:
            raise RefusedError(f"{workflow}/{name} has no permission id-token: write")
        subject = f"repo:{self._repository}:" + (
            f"environment:{found[0].environment}" if found[0].environment else "ref:refs/heads/main"
        )
        now = datetime.now(UTC)
        claims = {"iss": ISSUER, "aud": audience, "sub": subject, "iat": now, "exp": now + LIFE}
        self.issued.append(subject)
        claims |= {"repository": self._repository}
        claims |= {"environment": found[0].environment} if found[0].environment else {}
        return jwt.encode(claims, self._key, algorithm="HS256")


@contextmanager
def serving(issuer: Issuer) -> Iterator[str]:
    """The address to ask, on a free port of loopback, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
            try:
                if self.headers.get("authorization") != f"bearer {issuer.password}":
                    raise RefusedError("wrong bearer token")
                token = issuer.token(asked["workflow"], asked["job"], asked["audience"])
            except RefusedError as error:
                self._answer(403, str(error).encode())
            else:
                self._answer(200, json.dumps({"value": token}).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Tokens are nobody's to read."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
