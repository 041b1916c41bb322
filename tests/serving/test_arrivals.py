"""What reached the kernel before a cell is handled before it."""

import asyncio
import json
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from notebookviz import cells
from notebookviz.serving import arrivals
from notebookviz.serving.arrivals import settle
from notebookviz.serving.protocol import Answer, Page
from notebookviz.serving.server import Server


class Site:
    """Keeps the last state it was told, as a panel does."""

    def __init__(self):
        self.told = None
        self.methods = {"state": self.tell}

    def tell(self, params):
        self.told = params["selected"]
        return Answer()

    def page(self):
        return Page("", "default-src 'none'")


def opened(url):
    """A socket of the kind a browser opens, with no thread or loop of its own."""
    place = urlsplit(url)
    client = socket.create_connection((place.hostname, place.port))
    lines = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw=="]
    head = [f"GET {place.path}socket HTTP/1.1", f"Host: {place.netloc}", *lines, "Sec-WebSocket-Version: 13"]
    client.sendall("\r\n".join([*head, "", ""]).encode())
    assert b"101" in client.recv(4096)
    return client


def tell(client, selected):
    text = json.dumps({"id": 1, "method": "state", "params": {"selected": selected}}).encode()
    client.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)  # the mask of zeros leaves the text as it is


@pytest.fixture
def served():
    """A site, and a client of its socket."""
    server, site = Server(), Site()
    server.add("panel", site)
    client = opened(server.url("panel"))
    yield site, client
    client.close()
    server.stop()


def begin_a_cell(*, patience):
    cells._before(None)
    cells._after(None)


@pytest.mark.parametrize("barrier", [settle, begin_a_cell])
def test_what_was_sent_before_is_known_after(monkeypatch, served, barrier):
    monkeypatch.setattr(arrivals.settle, "__defaults__", (60,))
    site, client = served
    known = []
    for selected in range(300):
        tell(client, selected)
        barrier(patience=60)
        known.append(site.told)
    assert known == list(range(300))


def test_what_comes_over_a_subshell_is_known_too():
    """ipykernel's threads for comms have this name and this loop."""

    class Loop:
        asyncio_loop = asyncio.new_event_loop()

    thread = threading.Thread(target=Loop.asyncio_loop.run_forever, name="subshell-1")
    thread.io_loop = Loop
    thread.start()
    here, there = socket.socketpair()
    known, heard = [], []
    there.setblocking(False)
    Loop.asyncio_loop.call_soon_threadsafe(Loop.asyncio_loop.add_reader, there, lambda: heard.append(there.recv(1)[0]))
    try:
        for number in range(200):
            here.sendall(bytes([number]))
            settle(patience=60)
            known.append(heard[-1])
        assert known == list(range(200))
    finally:
        Loop.asyncio_loop.call_soon_threadsafe(Loop.asyncio_loop.stop)
        thread.join()
        Loop.asyncio_loop.close()
        here.close()
        there.close()


def test_who_is_busy_does_not_hold_up_the_cell():
    server, go = Server(), threading.Event()
    try:
        server._loop.call_soon_threadsafe(go.wait, 60)
        began = time.monotonic()
        settle(patience=0.01)
        assert time.monotonic() - began < 50
    finally:
        go.set()
        server.stop()


def test_a_cell_on_such_a_thread_does_not_wait_for_itself():
    async def cell():
        arrivals.listen(asyncio.get_running_loop())
        began = time.monotonic()
        settle(patience=60)
        return time.monotonic() - began

    waited = []
    thread = threading.Thread(target=lambda: waited.append(asyncio.run(cell())))
    thread.start()
    thread.join()
    assert waited[0] < 50
    settle(patience=60)  # its loop is closed now


@pytest.mark.parametrize("method", [["state"], {}, None, 3])
def test_a_method_that_is_no_name_is_answered_in_words(served, method):
    _, client = served
    text = json.dumps({"id": 1, "method": method}).encode()
    client.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text)
    client.settimeout(60)
    assert b"does not answer" in client.recv(4096)
