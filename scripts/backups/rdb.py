"""Redis on this machine: its own snapshot as a file, restored into a server of its own, switched by exchange."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import redis
from redis.exceptions import BusyLoadingError, RedisError

from chalicelib.adapters.redis.client import token
from localcloud.processes import free_port
from localcloud.stores import redis_binary
from scripts.backups.census import Census, Tally, of_seconds
from scripts.backups.store import Candidate, Kept
from scripts.deployment.errors import StackError

WAIT_S = 60.0
SERVING, ASIDE = 0, 1  # databases of the server; functions know the first only
_PAGE = 500
_GONE = -2  # PEXPIRETIME of a key whose time came while we read


class LocalRedis:
    """store.Store by RDB files. ``folder`` keeps them; ``url`` is the server that serves, on this machine."""

    name = "redis"

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._aside = urlunsplit(urlsplit(url)._replace(path=f"/{ASIDE}"))  # a URL's own database beats an argument
        self._folder = folder

    def back_up(self, backup: str) -> Kept:
        file = self._folder / backup / "redis.rdb"
        with _told(), redis.Redis.from_url(self._url) as live:
            moment = self._snapshot(live, file)
        with _serving(file) as restored:
            return Kept(store=self.name, moment=moment, where={"file": str(file)}, census=counted(restored))

    def at(self, moment: datetime) -> Kept | None:
        """None: a snapshot is of the moment at which it was made."""
        return None

    def restore(self, kept: Kept, name: str) -> Candidate:
        """The server itself runs only while it is needed: it would not outlive the command."""
        source, file = Path(kept.where["file"]), self._folder / f"restore-{name}" / "redis.rdb"
        if not source.exists():
            raise StackError(f"the snapshot {source} is gone")
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, file)
        with _serving(file):
            return {"file": str(file), "before": str(file.with_name("before.rdb"))}

    def census(self, candidate: Candidate) -> Census:
        with _serving(Path(candidate["file"])) as restored:
            return counted(restored)

    def switch(self, candidate: Candidate) -> str:
        """Copied into another database of the server that serves, and the two exchanged in one command: nobody meets
        half of both, and nobody waits.

        With the data comes a new generation: offsets that clients have seen since the snapshot will be given again, and
        in an epoch that they know they would be dropped as seen.
        """
        before = Path(candidate["before"])
        with _told(), redis.Redis.from_url(self._url) as live, redis.Redis.from_url(self._aside) as aside:
            aside.flushdb()
            with _serving(Path(candidate["file"])) as restored:
                for keys in _scanned(restored):
                    _copy(restored, aside, keys)
            aside.hset("fence", mapping={"run_id": live.info("server")["run_id"], "generation": token()})
            self._snapshot(live, before)
            live.swapdb(SERVING, ASIDE)
            aside.flushdb(asynchronous=True)
        return f"What served before is {before}"

    def discard(self, candidate: Candidate) -> None:
        shutil.rmtree(Path(candidate["file"]).parent, ignore_errors=True)

    @staticmethod
    def _snapshot(live: Any, file: Path) -> str:
        """Returns its moment: when the server was forked."""
        file.parent.mkdir(parents=True, exist_ok=True)
        _until(lambda: not live.info("persistence")["rdb_bgsave_in_progress"], "another snapshot takes too long")
        moment = datetime.now(UTC).isoformat()
        live.bgsave()
        _until(lambda: not live.info("persistence")["rdb_bgsave_in_progress"], "the snapshot takes too long")
        if live.info("persistence")["rdb_last_bgsave_status"] != "ok":
            raise StackError("Redis could not write its snapshot: see its log")
        source = Path(live.config_get("dir")["dir"]) / live.config_get("dbfilename")["dbfilename"]
        part = file.with_suffix(".part")
        shutil.copyfile(source, part)
        part.replace(file)
        return moment


def counted(client: Any) -> Census:
    """By the first word of each key, those that end by themselves apart. Records are compared by what they hold, since
    the order in which a server lists members is its own.
    """
    tallies: dict[str, Tally] = {}
    for keys in _scanned(client):
        for key in keys:
            ends = client.pexpiretime(key)
            if ends == _GONE:
                continue
            kind = key.partition(b":")[0].decode(errors="replace")
            value = _value(client, key)
            newest = _observed(value) if kind == "topic" else None
            expires = None if ends < 0 else of_seconds(ends / 1000)
            tally = tallies.setdefault(kind if ends < 0 else f"{kind} (passing)", Tally())
            tally.add(json.dumps([key.hex(), value]).encode(), newest=newest, expires=expires)
    return {kind: tally.result() for kind, tally in sorted(tallies.items())}


def _scanned(client: Any) -> Iterator[list[bytes]]:
    """All keys of a server that nobody writes to, each once."""
    cursor, seen = 0, set[bytes]()
    while True:
        cursor, keys = client.scan(cursor, count=_PAGE)
        yield [key for key in keys if key not in seen]
        seen.update(keys)
        if not cursor:
            return


def _copy(source: Any, target: Any, keys: list[bytes]) -> None:
    reading = source.pipeline(transaction=False)
    for key in keys:
        reading.dump(key).pexpiretime(key)
    answers = reading.execute()
    writing = target.pipeline(transaction=False)
    for key, value, ends in zip(keys, answers[::2], answers[1::2], strict=True):
        if value is not None:  # its time came while we read
            writing.restore(key, max(ends, 0), value, replace=True, absttl=ends > 0)
    writing.execute()


def _value(client: Any, key: bytes) -> Any:
    match client.type(key):
        case b"string":
            return client.get(key).hex()
        case b"hash":
            return sorted((name.hex(), value.hex()) for name, value in client.hgetall(key).items())
        case b"list":
            return [each.hex() for each in client.lrange(key, 0, -1)]
        case b"set":
            return sorted(each.hex() for each in client.smembers(key))
        case b"zset":
            return [(member.hex(), score) for member, score in client.zrange(key, 0, -1, withscores=True)]
        case other:
            raise StackError(f"Redis holds a {other.decode()} under {key.decode(errors='replace')}")


def _observed(value: Any) -> str | None:
    named = {bytes.fromhex(name): bytes.fromhex(held) for name, held in value}
    at = named.get(b"observed_ms", b"")
    return of_seconds(int(at) / 1000) if at.isdigit() else None


@contextmanager
def _serving(file: Path) -> Iterator[Any]:
    """A server of our own that has read the file; it writes nothing and ends with the block."""
    with tempfile.TemporaryDirectory(prefix="defi-stream-restore-") as directory:
        shutil.copyfile(file, Path(directory) / "dump.rdb")
        port = free_port()
        command = [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", directory, "--save", ""]
        command += ["--appendonly", "no"]
        log = Path(directory) / "redis.log"
        with log.open("wb") as output:
            server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            try:
                with redis.Redis(port=port) as client:
                    _until(lambda: _answers(client, server), f"a Redis from {file} did not start", lambda: log)
                    yield client
            finally:
                server.kill()
                server.wait()


def _answers(client: Any, server: subprocess.Popen[bytes]) -> bool:
    if server.poll() is not None:
        raise StackError(
            "the Redis for the restored snapshot ended at its start: the file is no snapshot of this version"
        )
    try:
        return bool(client.ping())
    except (BusyLoadingError, redis.exceptions.ConnectionError):
        return False


def _until(holds: Callable[[], bool], message: str, log: Callable[[], Path] | None = None) -> None:
    until = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > until:
            said = log().read_text(errors="replace")[-500:] if log else ""
            raise StackError(f"{message} within {WAIT_S:g} s {said}".strip())
        time.sleep(0.01)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise StackError(f"Redis: {error}") from error
