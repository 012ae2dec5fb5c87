"""The @connections client against a real server on loopback that answers from a script."""

import itertools
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
from datetime import datetime

import pytest
from botocore import auth, awsrequest
from botocore.credentials import ReadOnlyCredentials

from chalicelib.adapters.connections import ConnectionsClient
from chalicelib.ports import Post
from tests.unit.adapters.scripted_gateway import ScriptedGateway

KEY = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a-token")


@pytest.fixture
def gateway():
    with ScriptedGateway() as server:
        yield server


@pytest.fixture
def make_client(gateway):
    clients = []

    def make(**options):
        options = {"endpoint_url": gateway.url, "credentials": lambda: KEY, "size": 4, "posts_per_s": None, **options}
        clients.append(ConnectionsClient(region="eu-west-1", random=random.Random(7).random, **options))
        return clients[-1]

    yield make
    for each in clients:
        each.close()


@pytest.fixture
def client(make_client):
    return make_client()


def soon(seconds=5.0):
    return time.monotonic() + seconds


def posts_to(*connections, body=b"{}"):
    return [Post(connection, body, index) for index, connection in enumerate(connections)]


def test_every_body_reaches_its_connection(client, gateway):
    posts = [Post(f"c{number}=", b"body %d" % number, number) for number in range(200)]
    results = client.post_all(posts, deadline=soon())
    assert (results.sent, results.gone, results.unsent, results.refused, results.retries) == (200, [], [], [], 0)
    assert {request.connection: request.body for request in gateway.requests} == {p.connection: p.body for p in posts}
    assert gateway.sockets <= 4


def test_every_signature_is_what_botocore_computes(client, gateway, monkeypatch):
    client.post_all(posts_to("L0SM9cOFvHcCIhw=", "a-b_c", "x y/é", body=b"{}" * 100), deadline=soon())
    client.alive(["L0SM9cOFvHcCIhw="])
    assert [request.method for request in gateway.requests] == ["POST"] * 3 + ["GET"]
    for request in gateway.requests:
        moment = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
        monkeypatch.setattr(auth, "get_current_datetime", lambda moment=moment: moment)
        url = f"http://{request.headers['host']}{request.path}"
        again = awsrequest.AWSRequest(method=request.method, url=url, data=request.body)
        auth.SigV4Auth(KEY, "execute-api", "eu-west-1").add_auth(again)
        assert request.headers["authorization"] == again.headers["Authorization"]
        assert request.headers["x-amz-security-token"] == KEY.token


def test_a_gone_connection_is_reported_with_all_its_posts(client, gateway):
    gateway.script("dead", 410)
    results = client.post_all(posts_to("dead", "alive", "dead"), deadline=soon())
    assert results.sent == 1
    assert [post.index for post in results.gone] == [0, 2]
    assert len(gateway.bodies("dead")) == 1


@pytest.mark.parametrize("trouble", [408, 429, 500, 503, "drop", "cut", "garbage"])
def test_trouble_is_tried_again_until_it_passes(client, gateway, trouble):
    gateway.script("c", trouble, trouble, 200)
    results = client.post_all(posts_to("c"), deadline=soon())
    assert (results.sent, results.unsent) == (1, [])
    assert len(gateway.bodies("c")) == 3


@pytest.mark.parametrize("answer", ["chunked", "last", "leave"])
def test_every_way_to_end_a_response_is_a_success(client, gateway, answer):
    gateway.default = answer
    results = client.post_all(posts_to(*"abcdefghij"), deadline=soon())
    assert (results.sent, results.unsent) == (10, [])
    assert len(gateway.requests) == 10


@pytest.mark.parametrize("place", [0, 100, 200])
def test_a_client_that_does_not_read_costs_three_tries(make_client, gateway, place):
    """Its buffer stays full, so that a worker that waited for it would wait until its deadline."""
    gateway.script("slow", *[429] * 100)
    posts = posts_to(*map(str, range(200)))
    posts[place:place] = [Post("slow", b"{}", 1000), Post("slow", b"{}", 1001)]
    started = time.monotonic()
    results = make_client(size=64).post_all(posts, deadline=soon(18))
    assert time.monotonic() - started < 0.9
    assert results.sent == 200
    assert [post.index for post in results.unsent] == [1000, 1001]
    assert len(gateway.bodies("slow")) == results.retries + 1 == 3


def test_one_that_is_throttled_alone_is_left_too(client, gateway):
    """As it is when its job comes again."""
    gateway.script("slow", *[429] * 100)
    started = time.monotonic()
    assert len(client.post_all(posts_to("slow"), deadline=soon(18)).unsent) == 1
    assert time.monotonic() - started < 0.9


def test_many_clients_that_do_not_read_end_as_soon(client, gateway):
    slow = [f"slow-{number}" for number in range(50)]
    for connection in slow:
        gateway.script(connection, *[429] * 100)
    good = list(map(str, range(200)))
    mixed = [connection for index in range(50) for connection in (slow[index], *good[4 * index : 4 * index + 4])]
    started = time.monotonic()
    results = client.post_all(posts_to(*mixed), deadline=soon(18))
    assert results.sent == 200
    assert sorted(post.connection for post in results.unsent) == sorted(slow)
    results = client.post_all(posts_to(*slow), deadline=soon(18), suspects=set(slow))
    assert len(results.unsent) == 50
    assert time.monotonic() - started < 1.8


def test_a_throttle_of_the_whole_gateway_is_waited_for(make_client, gateway):
    over = time.monotonic() + 1.0
    gateway.default = lambda: 429 if time.monotonic() < over else 200
    results = make_client(size=64).post_all(posts_to(*map(str, range(300))), deadline=soon(13))
    assert (results.sent, results.unsent) == (300, [])
    assert time.monotonic() > over
    assert len(gateway.requests) == 300 + results.retries < 300 * 12  # each lane about seven tries: full jitter


def test_a_throttle_that_lets_some_through_is_waited_for(client, gateway):
    """The account's quota is shared with others: here every third request gets through, whenever it comes."""
    asked = itertools.count(1)
    gateway.default = lambda: 200 if next(asked) % 3 == 0 else 429
    results = client.post_all(posts_to(*map(str, range(300))), deadline=soon(13))
    assert (results.sent + len(results.unsent), results.refused) == (300, [])
    assert results.sent >= 285  # near its end, when most tries succeed, an unlucky one is left to the queue


def test_a_throttle_that_begins_in_the_middle_is_waited_for(client, gateway):
    first = iter(range(300))
    began = []

    def answer():
        if next(first, None) is not None:
            return 200
        began.append(time.monotonic())
        return 429 if time.monotonic() < began[0] + 0.5 else 200

    gateway.default = answer
    results = client.post_all(posts_to(*map(str, range(600))), deadline=soon(13))
    assert results.sent + len(results.unsent) == 600
    assert len(results.unsent) <= 6  # of the few that failed thrice before it was clear


def test_an_answer_that_names_a_time_is_not_asked_sooner(client, gateway):
    gateway.script("c", "later", 200)
    gateway.script("d", "much later", 200)
    started = time.monotonic()
    results = client.post_all(posts_to("c", "d", "e"), deadline=soon())
    assert 1.0 <= time.monotonic() - started < 1.5
    assert (results.sent, [post.connection for post in results.unsent]) == (2, ["d"])


def test_a_hanging_connection_holds_one_socket_only(client, gateway):
    gateway.script("hangs", "hang")
    results = client.post_all(posts_to("hangs", *map(str, range(300))), deadline=soon(0.5))
    assert results.sent == 300
    assert [post.connection for post in results.unsent] == ["hangs"]


def test_a_request_without_an_answer_is_given_up_and_tried_again(make_client, gateway):
    gateway.script("hangs", "hang")
    results = make_client(request_timeout_s=0.2).post_all(posts_to("hangs"), deadline=soon())
    assert (results.sent, results.retries) == (1, 1)


def test_posts_of_one_connection_keep_their_order_through_retries(client, gateway):
    gateway.script("c", 200, 429, 429, 200, "drop", 200)
    posts = []
    for number in range(5):
        posts += [Post("c", b"%d" % number, number), *posts_to(*(f"{number}-{other}" for other in range(20)))]
    results = client.post_all(posts, deadline=soon())
    assert results.sent == 105
    assert gateway.bodies("c") == [b"0", b"1", b"1", b"1", b"2", b"2", b"3", b"4"]


@pytest.mark.parametrize("status", [400, 404, 413])
def test_a_refusal_is_not_repeated(client, gateway, status):
    gateway.script("bad", status)
    results = client.post_all(posts_to("bad", "good", "bad"), deadline=soon())
    assert results.sent == 2
    assert [(post.index, refused) for post, refused in results.refused] == [(0, status)]


def test_a_403_is_signed_anew_once_then_refused(make_client, gateway):
    """The credentials may have been renewed since they were read."""
    reads = []
    gateway.script("renewed", 403)
    gateway.script("forbidden", 403, 403)
    client = make_client(credentials=lambda: reads.append(1) or KEY)
    results = client.post_all(posts_to("renewed"), deadline=soon())
    assert (results.sent, results.refused) == (1, [])
    assert len(reads) >= 2
    results = client.post_all(posts_to("forbidden"), deadline=soon())
    assert [(post.connection, status) for post, status in results.refused] == [("forbidden", 403)]


def test_sockets_are_kept_between_calls(client, gateway):
    for _ in range(3):
        client.post_all(posts_to("a", "b", "c", "d"), deadline=soon())
    assert len({request.socket for request in gateway.requests}) == gateway.sockets <= 4


def test_sockets_that_died_meanwhile_cost_no_attempt(client, gateway):
    """What a Lambda finds after it was frozen for minutes."""
    client.post_all(posts_to("a", "b", "c", "d"), deadline=soon())
    gateway.drop_sockets()
    results = client.post_all(posts_to(*map(str, range(50))), deadline=soon())
    assert (results.sent, results.retries) == (50, 0)


def test_sockets_closed_as_soon_as_open_are_tried_again(client, gateway):
    gateway.rude = 20
    results = client.post_all(posts_to(*"abcdefgh"), deadline=soon())
    assert (results.sent, results.unsent) == (8, [])
    assert client.post_all(posts_to(*"abcdefgh"), deadline=soon()).sent == 8


def test_a_socket_that_opens_too_late_serves_the_next_call(make_client, certificate):
    """TLS takes two round trips: the deadline may come between them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        trusting = ssl.create_default_context(cafile=str(certificate[0]))
        client = make_client(endpoint_url=f"https://localhost:{port}", tls=trusting, size=1)
        assert len(client.post_all(posts_to("a"), deadline=soon(0.2)).unsent) == 1
        answering = threading.Thread(target=answer_once, args=(listener, context))
        answering.start()
        assert client.post_all(posts_to("b"), deadline=soon()).sent == 1
        answering.join(5)


def answer_once(listener, context):
    """Take the connection that has been waiting, shake hands, and answer one request."""
    raw, _ = listener.accept()
    with context.wrap_socket(raw, server_side=True) as peer:
        while b"\r\n\r\n{}" not in (data := peer.recv(65536)):
            assert data
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


def test_a_killed_server_leaves_the_posts_unsent(client, gateway):
    assert client.post_all(posts_to("a"), deadline=soon()).sent == 1
    gateway.stop()
    posts = posts_to(*map(str, range(100)), "7")
    started = time.monotonic()
    results = client.post_all(posts, deadline=soon(0.6))
    assert time.monotonic() - started < 1.0
    assert sorted(results.unsent, key=lambda post: post.index) == posts
    assert [post.index for post in results.unsent if post.connection == "7"] == [7, 100]


def test_a_server_that_never_answers_is_left_at_the_deadline(make_client):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = make_client(endpoint_url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        started = time.monotonic()
        assert len(client.post_all(posts_to("a", "b"), deadline=soon(0.3)).unsent) == 2
        assert time.monotonic() - started < 0.8


def test_nothing_is_begun_after_the_deadline(client, gateway):
    results = client.post_all(posts_to("a"), deadline=time.monotonic() - 1)
    assert (results.sent, len(results.unsent), gateway.requests) == (0, 1, [])


def test_an_abandoned_answer_does_not_confuse_the_next_call(client, gateway):
    gateway.script("hangs", "hang")
    assert len(client.post_all(posts_to("hangs"), deadline=soon(0.2)).unsent) == 1
    assert client.post_all(posts_to("a", "b"), deadline=soon()).sent == 2


def test_the_pace_is_kept_and_a_seconds_worth_may_burst(make_client, gateway):
    client = make_client(posts_per_s=50)
    started = time.monotonic()
    results = client.post_all(posts_to(*map(str, range(80))), deadline=soon())
    assert results.sent == 80
    assert 0.55 < time.monotonic() - started < 1.5  # 50 at once, 30 at 50 a second


def test_the_pace_ends_with_the_deadline(make_client, gateway):
    results = make_client(posts_per_s=10).post_all(posts_to(*map(str, range(100))), deadline=soon(0.5))
    assert 10 <= results.sent <= 16
    assert results.sent + len(results.unsent) == 100


def test_broken_credentials_are_raised(make_client, gateway):
    """Not lost inside the event loop, where they would look like a slow gateway; and no socket is lost with them."""
    broken = False

    def read():
        if broken:
            raise LookupError("no credentials")
        return KEY

    client = make_client(credentials=read)
    for _ in range(6):
        broken = False
        assert client.post_all(posts_to("a", "b"), deadline=soon()).sent == 2
        broken = True
        gateway.script("a", 403)
        with pytest.raises(LookupError):
            client.post_all(posts_to("a", "b", "c"), deadline=soon())


def test_alive_asks_the_gateway(client, gateway):
    gateway.script("gone", 410)
    gateway.script("throttled", 429, 200)
    gateway.script("forbidden", 403, 403)
    assert client.alive(["a", "gone", "throttled", "forbidden", "a"]) == [True, False, True, True, True]
    assert {request.method for request in gateway.requests} == {"GET"}
    assert client.alive([]) == []


@pytest.mark.parametrize("url", ["", "ftp://host/x", "host/ws"])
def test_an_endpoint_that_is_none_is_refused(make_client, url):
    with pytest.raises(ValueError, match="endpoint"):
        make_client(endpoint_url=url)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate of our own for localhost: (certificate, key)."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    command = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    extra = ["-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"]
    subprocess.run([openssl, *command.split(), *extra], check=True, capture_output=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def tls_gateway(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with ScriptedGateway(tls=context) as server:
        yield server


def test_https_is_spoken_and_kept_open(make_client, tls_gateway, certificate):
    client = make_client(endpoint_url=tls_gateway.url, tls=ssl.create_default_context(cafile=str(certificate[0])))
    posts = posts_to(*map(str, range(100)), body=b"x" * 30_000)
    assert client.post_all(posts, deadline=soon()).sent == 100
    sockets = tls_gateway.sockets
    tls_gateway.default = "chunked"
    assert client.post_all(posts_to("a", "b"), deadline=soon()).sent == 2
    assert tls_gateway.sockets == sockets <= 4
    tls_gateway.drop_sockets()
    assert client.post_all(posts_to("a", "b"), deadline=soon()).sent == 2


def test_a_certificate_that_cannot_be_verified_gets_nothing(make_client, tls_gateway):
    results = make_client(endpoint_url=tls_gateway.url).post_all(posts_to("a"), deadline=soon(0.5))
    assert len(results.unsent) == 1
    assert tls_gateway.requests == []
