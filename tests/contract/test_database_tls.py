"""The connection to PostgreSQL proves whom it speaks to, with RDS's own roots."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.adapters.postgres import owner as adapter
from chalicelib.errors import StoreDownError
from localcloud.stores import PostgresServer
from tests.contract.databases import Database

SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # PostgreSQL's protocol: what a client asks before anything else


class TlsFront:
    """Speaks TLS for a PostgreSQL that need not be built with it, under a certificate for ``name``."""

    def __init__(self, server: PostgresServer, directory: Path, openssl: str, name: str) -> None:
        self.certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
        command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        named = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}")
        made = ("-keyout", str(key), "-out", str(self.certificate))
        subprocess.run([openssl, *command.split(), *named, *made], check=True, capture_output=True)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.certificate, key)
        self._behind = server.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> TlsFront:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            with plain:
                self._forward(plain)

    def _forward(self, plain: socket.socket) -> None:
        if plain.recv(8) != SSL_REQUEST:
            return
        plain.sendall(b"S")
        try:
            client = self._tls.wrap_socket(plain, server_side=True)
        except (ssl.SSLError, OSError):
            return  # it did not like the certificate
        with client, socket.create_connection(("127.0.0.1", self._behind)) as server:
            back = threading.Thread(target=_copy, args=(server, client))
            back.start()
            _copy(client, server)
            back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def openssl() -> str:
    found = shutil.which("openssl")
    if found is None:
        pytest.skip("there is no openssl to make a certificate with")
    return found


@pytest.fixture
def front(postgres_server: PostgresServer, tmp_path: Path, openssl: str) -> Iterator[TlsFront]:
    with TlsFront(postgres_server, tmp_path, openssl, "localhost") as front:
        yield front


def user(database: Database, **changes: object) -> str:
    with database.postgres(**changes).transaction(time.monotonic() + 30) as connection:
        return str(connection.exec_driver_sql("SELECT current_user").scalar())


def test_a_server_under_a_trusted_root_is_spoken_to(database, front, monkeypatch):
    monkeypatch.setattr(adapter, "ROOTS", front.certificate)
    assert user(database, host="localhost", port=front.port, sslmode="verify-full") == "postgres"


def test_a_server_under_another_root_is_not(database, front):
    with pytest.raises(StoreDownError, match="certificate verify failed"):
        user(database, host="localhost", port=front.port, sslmode="verify-full")
    assert database.waits == []  # it will be no other in two seconds


def test_a_trusted_server_under_another_name_is_not(database, front, monkeypatch):
    monkeypatch.setattr(adapter, "ROOTS", front.certificate)
    with pytest.raises(StoreDownError, match="does not match host name"):
        user(database, host="127.0.0.1", port=front.port, sslmode="verify-full")
    assert database.waits == []  # it will be no other in two seconds


def test_a_server_without_tls_is_not(database):
    with pytest.raises(StoreDownError, match="does not support SSL"):
        user(database, sslmode="verify-full")
    assert database.waits == []  # it will be no other in two seconds


def test_the_roots_are_rds_own_three_for_each_region():
    found = ssl.create_default_context(cafile=adapter.ROOTS).get_ca_certs()
    kinds = defaultdict(set)
    for root in found:
        assert root["subject"] == root["issuer"]
        names = dict(field for (field,) in root["subject"])
        assert names["organizationName"] == "Amazon Web Services, Inc."
        region, kind = re.fullmatch(r"Amazon RDS (\S+) Root CA (\S+) G1", names["commonName"]).groups()
        kinds[region].add(kind)
        assert int(root["notAfter"].split()[3]) >= 2061
    assert {"us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1"} <= kinds.keys()
    assert set(map(frozenset, kinds.values())) == {frozenset({"RSA2048", "RSA4096", "ECC384"})}
