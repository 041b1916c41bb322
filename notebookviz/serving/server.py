"""One server for each process, in a thread of its own, on the loopback interface only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

from tornado.httpserver import HTTPServer
from tornado.web import Application

from notebookviz.serving import arrivals
from notebookviz.serving.handlers import CLOSED, REMOVED, NothingHandler, PageHandler, SocketHandler
from notebookviz.serving.origins import Origins

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from notebookviz.serving.protocol import Method, Page

LARGEST_REQUEST = 10 << 20  # a picture; jupyter-server-proxy takes no more
PATIENCE = 10.0


class Site(Protocol):
    """What a panel registers: its page, and the methods its socket answers."""

    @property
    def methods(self) -> Mapping[str, Method]:
        """What can be asked, by name; called on the server's threads."""
        ...

    def page(self) -> Page:
        """The page for a plain browser."""
        ...


class Server:
    """Serves panels on ``http://127.0.0.1:<port>/<token>/<panel>/`` until :meth:`stop`.

    Raises:
        OSError: No loopback port can be opened.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self.origins = Origins()
        self.sockets: dict[str, set[SocketHandler]] = {}
        self.tasks: set[asyncio.Future[None]] = set()
        self._sites: dict[str, Site] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)  # noqa: FBT003 - the method's only form
        self.port: int = self._listener.getsockname()[1]
        self.pool = ThreadPoolExecutor(4, "notebookviz-answer")
        self._loop = asyncio.SelectorEventLoop()
        arrivals.listen(self._loop)
        self._stopping = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="notebookviz-server", daemon=True)
        self._thread.start()
        ready.wait(PATIENCE)

    def add(self, key: str, site: Site) -> None:
        """Serve a panel under ``key`` (letters, digits, ``-``, ``_``)."""
        self._sites[key] = site

    def remove(self, key: str) -> None:
        """Serve a panel no more, and close its sockets."""
        if self._sites.pop(key, None) is not None:
            self._call(self._close, key, REMOVED)

    def site(self, key: str) -> Site | None:
        """The panel under ``key``, if there is one."""
        return self._sites.get(key)

    def watched(self, key: str) -> bool:
        """Whether a page is connected to a panel."""
        return bool(self.sockets.get(key))

    def url(self, key: str) -> str:
        """The address of a panel's page."""
        return f"http://127.0.0.1:{self.port}/{self.token}/{key}/"

    def send(self, key: str, message: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send a message to every socket of a panel; may be called on any thread."""
        self._call(self._broadcast, key, message, buffers)

    def stop(self) -> None:
        """Close the port and end the thread."""
        self._sites.clear()
        self._call(self._stopping.set)
        self._thread.join(PATIENCE)
        self.pool.shutdown(wait=False)

    def forget(self) -> None:
        """In a forked child: let go of the parent's sockets without touching the parent's connections."""
        handles = [self._listener]
        handles += [found for sockets in self.sockets.values() for each in sockets if (found := _handle(each))]
        for handle in handles:
            with contextlib.suppress(OSError):
                os.close(handle.detach())

    def _call(self, function: Callable[..., object], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self._loop.call_soon_threadsafe(function, *args)

    def _broadcast(self, key: str, message: Mapping[str, Any], buffers: Sequence[bytes]) -> None:
        for each in list(self.sockets.get(key, ())):
            task = asyncio.ensure_future(each.send(message, buffers))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    def _close(self, key: str, code: int = CLOSED) -> None:
        for each in self.sockets.pop(key, set()):
            each.close(code, "closed")

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(ready))
        self._loop.close()

    async def _serve(self, ready: threading.Event) -> None:
        options = {"server": self}
        application = Application(
            [
                (r"/([^/]+)/([\w-]+)/", PageHandler, options),
                (r"/([^/]+)/([\w-]+)/socket", SocketHandler, options),
            ],
            default_handler_class=NothingHandler,
            default_handler_args=options,
            log_function=lambda _: None,  # refused requests are not the notebook's business, and paths hold the token
            websocket_max_message_size=LARGEST_REQUEST,
            websocket_ping_interval=30,
        )
        web = HTTPServer(application, max_body_size=LARGEST_REQUEST)
        web.add_socket(self._listener)
        ready.set()
        await self._stopping.wait()
        web.stop()
        for key in list(self.sockets):
            self._close(key)
        await web.close_all_connections()


def _handle(handler: SocketHandler) -> socket.socket | None:
    stream = getattr(handler.ws_connection, "stream", None)
    return getattr(stream, "socket", None)


_server: Server | None = None
_lock = threading.Lock()
_parents: list[Server] = []


def server() -> Server:
    """The process's server, started on first use; a forked child gets one of its own.

    Raises:
        OSError: No loopback port can be opened.
    """
    global _server  # noqa: PLW0603 - one for each process
    with _lock:
        if _server is None:
            _server = Server()
        return _server


def current() -> Server | None:
    """The process's server if it was started."""
    return _server


def stop() -> None:
    """Stop the process's server; the next :func:`server` starts another."""
    global _server
    with _lock:
        old, _server = _server, None
    if old is not None:
        old.stop()


def _after_fork_in_child() -> None:
    global _server, _lock  # noqa: PLW0603 - one for each process
    _lock = threading.Lock()
    old, _server = _server, None
    arrivals.leave()
    if old is not None:
        _parents.append(old)  # kept, so that nothing of it is closed when collected
        old.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
