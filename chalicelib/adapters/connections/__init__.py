"""The ``@connections`` client: thousands of signed posts a second from one thread."""

from __future__ import annotations

import asyncio
import random as _random
import ssl
import time
from collections.abc import Callable, Sequence, Set
from urllib.parse import urlsplit

import structlog

from chalicelib.adapters.connections.lanes import Lane
from chalicelib.adapters.connections.pacing import TokenBucket
from chalicelib.adapters.connections.pool import Address, Pool
from chalicelib.adapters.connections.round import Round
from chalicelib.adapters.connections.signer import Credentials, Signer
from chalicelib.ports import Post, PostResults
from chalicelib.telemetry.outside import CONNECTIONS, outside

CONNECT_TIMEOUT_S = 3.0
REQUEST_TIMEOUT_S = 5.0
IDLE_S = 50.0  # a connection that has idled longer is replaced, not tried: Lambda may have been frozen meanwhile
ALIVE_S = 5.0

log = structlog.get_logger(__name__)


class ConnectionsClient:
    """API Gateway's ``@connections`` of one endpoint, over keep-alive HTTP/1.1.

    Guarantees:

    - Posts to one connection are made in the order given, each begun when the one before it has ended. Of
      different connections none waits for another but for want of a free socket or of pace.
    - Each post is sent (2xx), gone (410, with all that follow it to the same connection), refused (other 4xx;
      401 and 403 after one more try with a fresh signature), or unsent. Network errors, 408, 429 and 5xx are
      tried again, with full jitter from 50 ms to 2 s on top of the answer's Retry-After, until the deadline. A
      post may arrive twice when the answer to the first was lost.
    - A connection that fails three times while others do not is left: its post and all that follow it are unsent,
      and the call returns when the others are done. A throttle of the gateway as a whole is waited for
      (``patience.Patience`` tells the two apart).
    - A request that fails on a socket left over from before, with no byte of a response, is made again at once
      on a fresh one.
    - At most ``posts_per_s`` requests a second, after at most one second's worth at once; None is no limit.

    ``credentials`` returns frozen credentials (botocore's ``session.get_credentials().get_frozen_credentials``)
    and is asked again every second. The event loop and the sockets outlive a call, so that the next invocation
    of the same Lambda finds them open. Not thread-safe; not to be called from inside a running event loop.
    """

    def __init__(
        self,
        *,
        endpoint_url: str,
        region: str,
        credentials: Callable[[], Credentials],
        size: int = 64,
        posts_per_s: int | None = None,
        random: Callable[[], float] = _random.random,
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        url = urlsplit(endpoint_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"not an endpoint: {endpoint_url!r}")
        secure = url.scheme == "https"
        self._loop = asyncio.new_event_loop()
        context = (tls or ssl.create_default_context()) if secure else None
        address = Address(url.hostname, url.port or (443 if secure else 80), context)
        self._pool: Pool[Lane] = Pool(
            self._loop, address, size=size, connect_timeout_s=CONNECT_TIMEOUT_S, idle_s=IDLE_S
        )
        self._signers = {
            method: Signer(
                method, host=url.netloc, base_path=url.path.rstrip("/"), region=region, credentials=credentials
            )
            for method in ("POST", "GET")
        }
        self._bucket = TokenBucket(posts_per_s, time.monotonic) if posts_per_s else None
        self._request_timeout_s = request_timeout_s
        self._random = random

    def post_all(self, posts: Sequence[Post], *, deadline: float, suspects: Set[str] = frozenset()) -> PostResults:
        """Make every post; returns when each has ended, at ``deadline`` (``time.monotonic()``) at the latest.

        ``suspects`` are connections that were left unsent before: they are given up after three failures even when
        all the others fail too.
        """
        return self._run("POST", posts, deadline, suspects)

    def alive(self, connections: Sequence[str]) -> list[bool]:
        """Whether the gateway still knows each connection; when it cannot be asked, the connection counts as alive."""
        asked = [Post(connection, b"", index) for index, connection in enumerate(connections)]
        results = self._run("GET", asked, time.monotonic() + ALIVE_S)
        gone = {post.connection for post in results.gone}
        return [connection not in gone for connection in connections]

    def close(self) -> None:
        """Close every socket and the loop; the client is of no use afterwards."""
        if self._loop.is_closed():
            return
        self._loop.run_until_complete(self._pool.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _run(
        self, method: str, posts: Sequence[Post], deadline: float, suspects: Set[str] = frozenset()
    ) -> PostResults:
        if not posts:
            return PostResults()
        round_ = Round(
            self._pool,
            self._signers[method],
            posts,
            suspects=suspects,
            deadline=deadline,
            bucket=self._bucket,
            request_timeout_s=self._request_timeout_s,
            random=self._random,
        )
        with outside(CONNECTIONS, method):  # one of the trace for all: a post each would be more than X-Ray takes
            results = self._loop.run_until_complete(round_.run())
        if results.unsent or results.refused:
            log.warning(
                "posts_left_over",
                method=method,
                sent=results.sent,
                unsent=len(results.unsent),
                refused=len(results.refused),
                connections_given_up=round_.given_up,
                retries=results.retries,
                last_problem=round_.problem,
            )
        return results
