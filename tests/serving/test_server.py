"""The loopback server: who may ask, what is answered, and what it survives."""

import asyncio
import json
import os
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from notebookviz.serving import server as module
from notebookviz.serving.arrivals import settle
from notebookviz.serving.protocol import Answer, Page
from notebookviz.serving.server import Server, current, server, stop

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and fork are POSIX")


class Site:
    def __init__(self, text="one"):
        self.text = text
        self.methods = {
            "echo": lambda params: Answer(params, (b"x" * params.get("size", 0),)),
            "slow": self.slow,
        }
        self.go = threading.Event()

    def page(self):
        return Page(f"<title>{self.text}</title>", "default-src 'none'")

    def slow(self, params):
        self.go.wait(60)
        return Answer({"slow": True})


@pytest.fixture
def site():
    return Site()


@pytest.fixture
def served(site):
    found = Server()
    found.add("panel", site)
    yield found
    found.stop()


def get(url, **headers):
    request = urllib.request.Request(url, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def in_a_loop(coroutine):
    """Run it in a thread of its own: a browser of another test may keep a loop running in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, coroutine).result()


def talk(url, *messages, headers=None, replies=None):
    """Open a socket, send the messages, and return as many replies."""

    async def run():
        request = HTTPRequest(url.replace("http", "ws") + "socket", headers=headers or {})
        connection = await websocket_connect(request, max_message_size=1 << 30)
        for message in messages:
            await connection.write_message(json.dumps(message))
        found = [await asyncio.wait_for(connection.read_message(), 5) for _ in replies or messages]
        connection.close()
        return found

    return in_a_loop(run())


def test_the_page_is_served_with_strict_headers(served):
    status, headers, text = get(served.url("panel"))
    assert (status, text) == (200, "<title>one</title>")
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'self'"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] is None


def test_only_loopback_listens(served):
    assert served._listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "path",
    ["", "{token}", "{token}/", "{token}/other/", "{token}/panel", "{token}x/panel/", "x/panel/", "{token}/panel/x",
     "{token}/panel/../../etc/passwd", "etc/passwd", "static/index.html", "robots.txt", "favicon.ico"],
)  # fmt: skip
def test_nothing_else_is_reachable(served, path):
    status, headers, text = get(f"http://127.0.0.1:{served.port}/{path.format(token=served.token)}")
    assert (status, text) == (404, "There is no such panel.")
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_foreign_names_are_refused_on_both_addresses(served, headers):
    status, _, text = get(served.url("panel"), **headers)
    assert (status, text) == (403, "This address is not allowed.")
    with pytest.raises(HTTPClientError, match="403"):
        talk(served.url("panel"), {"id": 1, "method": "echo"}, headers=headers)


def test_a_proxy_is_allowed_once_named(served):
    headers = {"Host": "hub.example.org", "Origin": "https://hub.example.org"}
    assert get(served.url("panel"), **headers)[0] == 403
    served.origins.add("https://hub.example.org")
    assert get(served.url("panel"), **headers)[0] == 200
    assert len(talk(served.url("panel"), {"id": 1, "method": "hello"}, headers=headers)) == 1


def test_post_is_refused(served):
    request = urllib.request.Request(served.url("panel"), data=b"x", method="POST")  # noqa: S310
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(request, timeout=60)  # noqa: S310


def test_hello_echoes_the_token_only_to_who_knows_it(served):
    right, wrong = talk(
        served.url("panel"),
        {"id": 1, "method": "hello", "params": {"token": served.token}},
        {"id": 2, "method": "hello", "params": {"token": "guess"}},
    )
    answers = {item["id"]: item["result"]["token"] for item in map(json.loads, (right, wrong))}
    assert answers == {1: served.token, 2: ""}


def test_a_wrong_token_opens_no_socket(served):
    url = served.url("panel").replace(served.token, "x" * 43)
    with pytest.raises(HTTPClientError, match="404"):
        talk(url, {"id": 1})


def test_a_large_answer_comes_in_pieces_below_the_proxys_limit(served):
    pieces = talk(served.url("panel"), {"id": 1, "method": "echo", "params": {"size": 9 << 20}}, replies=range(3))
    assert all(len(piece) < 10 << 20 for piece in pieces)
    assert sum(map(len, pieces)) > 9 << 20


def test_a_slow_answer_holds_up_nobody(served, site):
    async def run():
        connection = await websocket_connect(served.url("panel").replace("http", "ws") + "socket")
        await connection.write_message(json.dumps({"id": 1, "method": "slow"}))
        await connection.write_message(json.dumps({"id": 2, "method": "echo", "params": {"a": 1}}))
        first = await asyncio.wait_for(connection.read_message(), 5)
        site.go.set()
        second = await asyncio.wait_for(connection.read_message(), 5)
        connection.close()
        return first, second

    first, second = in_a_loop(run())
    assert b'"id": 2' in first
    assert json.loads(second)["id"] == 1


def test_text_that_is_no_json_closes_the_socket(served):
    async def run():
        connection = await websocket_connect(served.url("panel").replace("http", "ws") + "socket")
        await connection.write_message("{")
        found = await asyncio.wait_for(connection.read_message(), 5)
        return found, connection.close_code

    assert in_a_loop(run()) == (None, 1003)


def test_events_reach_every_socket_of_the_panel_and_no_other(served):
    served.add("other", Site("two"))

    async def run():
        sockets = [
            await websocket_connect(served.url(key).replace("http", "ws") + "socket")
            for key in ("panel", "panel", "other")
        ]
        for each in sockets:  # an answer shows that the server has opened it
            await each.write_message(json.dumps({"id": 1, "method": "hello"}))
            await each.read_message()
        served.send("panel", {"event": "notice", "data": {"text": "changed"}})
        found = [json.loads(await asyncio.wait_for(each.read_message(), 5)) for each in sockets[:2]]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(sockets[2].read_message(), 0.2)
        return found

    assert in_a_loop(run()) == [{"event": "notice", "data": {"text": "changed"}}] * 2


def test_a_removed_panel_is_gone_and_its_sockets_are_closed(served):
    async def run():
        connection = await websocket_connect(served.url("panel").replace("http", "ws") + "socket")
        await connection.write_message(json.dumps({"id": 1, "method": "hello"}))
        await connection.read_message()
        served.remove("panel")
        return await asyncio.wait_for(connection.read_message(), 5)

    assert in_a_loop(run()) is None
    assert get(served.url("panel"))[0] == 404


def test_two_servers_know_nothing_of_each_other(served, site):
    second = Server()
    try:
        second.add("panel", Site("two"))
        assert get(second.url("panel"))[2] == "<title>two</title>"
        assert get(second.url("panel").replace(second.token, served.token))[0] == 404
    finally:
        second.stop()


def test_a_stopped_server_leaves_its_port(site):
    found = Server()
    found.add("panel", site)
    found.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", found.port), 1)
    assert "notebookviz-server" not in [each.name for each in threading.enumerate() if each is found._thread]


def test_an_interrupt_leaves_the_server_running(served):
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
    assert get(served.url("panel"))[0] == 200


def test_no_port_at_all_is_an_error_that_can_be_caught(monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError("no sockets here")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(OSError, match="no sockets here"):
        Server()


@pytest.fixture
def process_server():
    stop()
    yield server()
    stop()


def test_there_is_one_server_for_each_process(process_server):
    assert server() is process_server is current()
    stop()
    assert current() is None
    assert server().token != process_server.token


def test_a_forked_child_has_its_own_server_and_leaves_the_parents_alone(process_server, site):
    process_server.add("panel", site)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child
        try:
            closed = process_server._listener.fileno() == -1 and current() is None
            began = time.monotonic()
            settle(patience=60)
            waited = time.monotonic() - began
            mine = server()
            mine.add("panel", Site("child"))
            text = get(mine.url("panel"))[2]
            told = [closed, waited < 50, mine.port != process_server.port, mine.token != process_server.token, text]
            os.write(write, json.dumps(told).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        told = json.loads(pipe.read())
    os.waitpid(child, 0)
    assert told == [True, True, True, True, "<title>child</title>"]
    assert get(process_server.url("panel"))[2] == "<title>one</title>"
    assert module.current() is process_server
