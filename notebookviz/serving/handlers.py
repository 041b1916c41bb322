"""The two addresses that the server answers: a panel's page and its WebSocket."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING, Any

from tornado.web import HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from notebookviz.serving.protocol import Answer, answer, frames

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from notebookviz.serving.server import Server, Site

HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CLOSED = 1000
REMOVED = 4000  # the panel was closed: there is nothing to come back to
QUICK = ("hello", "state")  # answered at once, in the order they come


class _Guarded(RequestHandler):
    """Refuses every request that does not name us, carry the token and ask for a known panel."""

    server: Server
    site: Site

    def initialize(self, server: Server) -> None:
        self.server = server

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'self'")

    def prepare(self) -> None:
        headers = self.request.headers
        if not self.server.origins.host_allowed(headers.get("Host", "")):
            raise HTTPError(403)
        if not self.server.origins.origin_allowed(headers.get("Origin")):
            raise HTTPError(403)
        token, key = self.path_args[0], self.path_args[1]
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            raise HTTPError(404)
        site = self.server.site(key)
        if site is None:
            raise HTTPError(404)
        self.site = site

    def write_error(self, status_code: int, **_: object) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        known = {403: "This address is not allowed.", 404: "There is no such panel.", 405: "Only GET is answered."}
        self.finish(known.get(status_code, "The request failed."))


class PageHandler(_Guarded):
    """``/<token>/<panel>/``: the page for a plain browser."""

    async def get(self, *_: str) -> None:
        """Send the page, built now, so that it shows the panel as it is."""
        page = await asyncio.get_running_loop().run_in_executor(self.server.pool, self.site.page)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", f"{page.policy}; frame-ancestors 'self'")
        await self.finish(page.html)


class NothingHandler(_Guarded):
    """Every other address."""

    def prepare(self) -> None:
        """Answer with 404 whatever is asked."""
        raise HTTPError(404)


class SocketHandler(_Guarded, WebSocketHandler):
    """``/<token>/<panel>/socket``: requests in, answers and events out."""

    key: str

    def check_origin(self, origin: str) -> bool:
        """Whether the page that opens the socket may."""
        return self.server.origins.origin_allowed(origin)

    async def get(self, *args: str, **kwargs: str) -> None:
        """Upgrade to a WebSocket."""
        self.key = args[1]
        await super().get(*args, **kwargs)

    def open(self, *_: str, **__: str) -> None:
        """Take part in the panel's events."""
        self.server.sockets.setdefault(self.key, set()).add(self)

    def on_close(self) -> None:
        """Leave the panel's events."""
        self.server.sockets.get(self.key, set()).discard(self)

    def on_message(self, message: str | bytes) -> None:
        """Answer one request, if it may take long away from the loop: a large tensor does not hold up the others."""
        try:
            request = json.loads(message)
        except ValueError:
            self.close(1003, "not JSON")
            return
        task = asyncio.ensure_future(self._answer(request))
        self.server.tasks.add(task)
        task.add_done_callback(self.server.tasks.discard)

    async def send(self, message: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Send one message; a closed socket is no error."""
        try:
            for frame in frames(message, buffers):
                await self.write_message(frame, binary=isinstance(frame, bytes))
        except WebSocketClosedError:
            pass

    async def _answer(self, request: object) -> None:
        methods = {**self.site.methods, "hello": self._hello}
        if isinstance(request, dict) and request.get("method") in QUICK:
            reply = answer(methods, request)
        else:
            reply = await asyncio.get_running_loop().run_in_executor(self.server.pool, answer, methods, request)
        if reply is not None:
            await self.send(*reply)

    def _hello(self, params: Mapping[str, Any]) -> Answer:
        same = secrets.compare_digest(str(params.get("token", "")).encode(), self.server.token.encode())
        return Answer({"token": self.server.token if same else ""})
