"""One set of requests, from the first to the deadline: who is next, what comes again, how each ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence, Set

from chalicelib.adapters.connections.lanes import Lane, Waiting, lanes_of
from chalicelib.adapters.connections.pacing import RETRY_BASE_S, RETRY_CAP_S, Timers, TokenBucket, full_jitter
from chalicelib.adapters.connections.patience import Patience
from chalicelib.adapters.connections.pool import Link, Pool
from chalicelib.adapters.connections.signer import Signer
from chalicelib.ports import Post, PostResults

SWEEP_S = 0.25
DRAIN_S = 0.25  # before the deadline nothing new is begun, so that what is in flight can still be answered


class Round:
    """Makes every post, each lane in order and all lanes at once, as far as links and pace allow.

    A lane that must wait is put aside by due time and delays no other; one whose client does not read is given up
    (Patience) and what is left of it is unsent. No request is in flight after ``run``.
    """

    def __init__(
        self,
        pool: Pool[Lane],
        signer: Signer,
        posts: Sequence[Post],
        *,
        suspects: Set[str],
        deadline: float,
        bucket: TokenBucket | None,
        request_timeout_s: float,
        random: Callable[[], float],
    ) -> None:
        self.results = PostResults()
        self.problem = "the deadline came first"  # the last failure, for the log
        self.given_up = 0  # lanes
        self._pool = pool
        self._loop = pool.loop
        self._signer = signer
        self._deadline = deadline
        self._bucket = bucket
        self._request_timeout_s = request_timeout_s
        self._random = random
        self._lanes = lanes_of(posts, suspects)
        self._ready = deque(self._lanes)
        self._later = Waiting()
        self._patience = Patience(self._loop.time())
        self._active = len(self._lanes)  # lanes whose end is not known yet
        self._payloads: dict[bytes, tuple[bytes, bytes]] = {}
        self._pump_due = False
        self._refusals = 0  # connects that failed in a row
        self._open_after = 0.0
        self._timers = Timers(self._loop)
        self._stopped = False
        self._over: asyncio.Future[None] = self._loop.create_future()

    async def run(self) -> PostResults:
        """Returns when every post has ended, at the deadline at the latest. Raises what signing raises."""
        now = self._loop.time()
        left = max(0.0, self._deadline - now)
        self._cutoff = self._deadline - min(DRAIN_S, left / 10)
        self._pool.owner = self
        self._pool.drop_idle()
        self._loop.set_exception_handler(self._broke)
        try:
            self._timers.at("stop", self._cutoff, self._stop)
            self._timers.at("end", self._deadline, self._end)
            self._sweep()
            if left:
                self._pump()
            else:
                self._stop()
            await self._over
        except BaseException:
            self._pool.reset()  # links that were taken and not used would be lost to it
            raise
        finally:
            self._clear()
        for lane in self._lanes:
            self.results.unsent.extend(lane.rest())
        return self.results

    # --- what a link reports --------------------------------------------------------------------------

    def answered(self, link: Link[Lane], ticket: Lane, status: int) -> None:
        if 200 <= status < 300:
            self.results.sent += 1
            self.results.sent_at.append((ticket.post.index, self._loop.time()))
            self._patience.taken()
            self._advance(ticket)
        else:
            self._failed(ticket, status, link)
        self._pool.give(link)
        if not self._pump_due:
            self._pump_due = True
            self._loop.call_soon(self._pump)

    def lost(self, link: Link[Lane], ticket: Lane, *, stale: bool) -> None:
        if stale and not self._stopped:
            self._open(ticket)
            return
        if self._loop.time() - link.since >= self._request_timeout_s:
            self.problem = "no response in time"
            self._again_if_worth_it(ticket)
        else:
            self.problem = "the connection was closed before the response"
            self._again(ticket)
        self._pump()

    def vacant(self) -> None:
        self._pump()

    # --- what becomes of a lane -----------------------------------------------------------------------

    def _failed(self, lane: Lane, status: int, link: Link[Lane]) -> None:
        if status == 410:
            self._patience.taken()
            self.results.gone.extend(lane.give_up())
            self._leave()
            return
        self.problem = f"{status} {link.body.decode(errors='replace')}"
        self.results.throttled += status == 429
        if status in (408, 429) or status >= 500:
            self._again_if_worth_it(lane, link.retry_after_s)
        elif status in (401, 403) and not lane.resigned:
            lane.resigned = True  # the credentials may have been renewed, or the clock set, since they were read
            self._signer.refresh()
            self._return(lane)
        else:
            self.results.refused.append((lane.post, status))
            self._advance(lane)

    def _advance(self, lane: Lane) -> None:
        if lane.advance():
            self._return(lane)
        else:
            self._leave()

    def _return(self, lane: Lane) -> None:
        if self._stopped:
            self._leave()
        else:
            self._ready.append(lane)

    def _again_if_worth_it(self, lane: Lane, at_least_s: float = 0.0) -> None:
        """After a failure that may be the client's; that a socket broke or could not be opened never is."""
        if self._patience.ends(lane, self._loop.time()):
            self.given_up += 1
            self._leave()
        else:
            self._again(lane, at_least_s)

    def _again(self, lane: Lane, at_least_s: float = 0.0) -> None:
        due = self._loop.time() + at_least_s + self._jitter(lane.attempts)
        lane.attempts += 1
        if due >= self._cutoff:
            self._leave()
            return
        self._later.put(lane, due)
        self._timers.at("retry", self._later.next_due, self._wake)

    def _leave(self) -> None:
        self._active -= 1
        if not self._active:
            self._end()

    # --- what is sent next ----------------------------------------------------------------------------

    def _next(self) -> Lane | None:
        if not self._ready:
            return None
        if self._bucket is not None:
            wait = self._bucket.take()
            if wait:
                self._timers.at("pace", self._loop.time() + wait, self._pump)
                return None
        return self._ready.popleft()

    def _pump(self) -> None:
        """Give work to every link that can be had.

        First all is signed and then all is written: the same few instructions over and over stay in the
        processor's caches, which the way through the kernel would drive them out of.
        """
        self._pump_due = False
        signed: list[tuple[Link[Lane], Lane, bytes]] = []
        while self._ready:
            link = self._pool.take()
            if link is None and not self._may_open():
                break
            lane = self._next()
            if lane is None:
                if link is not None:
                    self._pool.give(link)
                break
            if link is None:
                self._open(lane)
            else:
                signed.append((link, lane, self._sign(lane)))
        for link, lane, request in signed:
            link.request(request, lane)

    def _may_open(self) -> bool:
        if self._open_after > self._loop.time():
            self._timers.at("open", self._open_after, self._pump)
            return False
        return self._pool.has_room

    def _sign(self, lane: Lane) -> bytes:
        post = lane.post
        payload = self._payloads.get(post.body)
        if payload is None:
            payload = self._payloads[post.body] = self._signer.payload(post.body)
        return self._signer.head(post.connection, payload[0]) + payload[1]

    def _open(self, lane: Lane) -> None:
        self._pool.open().add_done_callback(lambda task: self._opened(lane, task))

    def _opened(self, lane: Lane, task: asyncio.Task[Link[Lane]]) -> None:
        """A link is open, perhaps only after this round has ended: then it is kept for the next."""
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, OSError):
            self._unreachable(lane, error)
        elif error is not None:
            self._fail(error)
        elif self._stopped:
            self._pool.give(task.result())
            self._leave()
        elif not task.result().is_open:  # closed before a word was said
            self.lost(task.result(), lane, stale=False)
        else:
            self._refusals = 0
            task.result().request(self._sign(lane), lane)
        self._pool.tell().vacant()

    def _unreachable(self, lane: Lane, error: OSError) -> None:
        self.problem = f"cannot connect: {error or type(error).__name__}"
        now = self._loop.time()
        if now >= self._open_after:  # one pause for all that failed together, not one each
            self._open_after = now + self._jitter(self._refusals)
            self._refusals += 1
        self._again(lane)

    # --- time -----------------------------------------------------------------------------------------

    def _jitter(self, attempt: int) -> float:
        return full_jitter(attempt, base_s=RETRY_BASE_S, cap_s=RETRY_CAP_S, random=self._random)

    def _wake(self) -> None:
        due = self._later.take_due(self._loop.time())
        self._ready.extend(due)
        self.results.retries += len(due)
        if self._later:
            self._timers.at("retry", self._later.next_due, self._wake)
        self._pump()

    def _sweep(self) -> None:
        """End requests that have waited too long: one look at all links instead of a timer for each."""
        oldest = self._loop.time() - self._request_timeout_s
        for link in self._pool.busy():
            if link.since < oldest:
                link.abort()
        self._timers.at("sweep", self._loop.time() + SWEEP_S, self._sweep)

    def _stop(self) -> None:
        self._stopped = True
        self._active -= len(self._ready) + len(self._later)
        self._ready.clear()
        self._later.clear()
        if not self._active:
            self._end()

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    # --- trouble and the end --------------------------------------------------------------------------

    def _broke(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """asyncio swallows what a callback raises: without this a bug would look like a slow gateway."""
        error = context.get("exception")
        self._fail(error if isinstance(error, BaseException) else RuntimeError(str(context.get("message"))))

    def _fail(self, error: BaseException) -> None:
        if not self._over.done():
            self._over.set_exception(error)

    def _clear(self) -> None:
        self._stopped = True
        self._ready.clear()
        self._timers.cancel()
        for link in self._pool.busy():
            link.forget()
        self._loop.set_exception_handler(None)
