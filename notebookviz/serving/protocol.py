"""One protocol for both routes: requests, answers, events, and their frames on a WebSocket.

See ``docs/architecture.md``.  Nothing here knows of models, widgets or sockets.
"""

from __future__ import annotations

import itertools
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from notebookviz.errors import NotebookvizError

PIECE: Final = 4 << 20  # jupyter-server-proxy refuses WebSocket messages above 10 MiB

_numbers = itertools.count(1)


class Answer(NamedTuple):
    """What a method gives back: JSON data and binary buffers."""

    result: Mapping[str, Any] = MappingProxyType({})
    buffers: Sequence[bytes] = ()


class Page(NamedTuple):
    """A document and the Content-Security-Policy it is sent with."""

    html: str
    policy: str


Method = Callable[[Mapping[str, Any]], Answer]
Message = tuple[dict[str, Any], Sequence[bytes]]


def answer(methods: Mapping[str, Method], request: object) -> Message | None:
    """Answer one request; whatever goes wrong becomes an error in words.

    Args:
        methods: What can be asked, by name.
        request: What arrived, not trusted: ``{id, method, params}``.

    Returns:
        The reply and its buffers; None where there is nobody to answer (no ``id``).
    """
    if not isinstance(request, dict) or not isinstance(request.get("id"), (int, str)):
        return None
    name, params = request.get("method"), request.get("params", {})
    method = methods.get(name) if isinstance(name, str) else None
    if method is None:
        what = f"The kernel does not answer {str(name)[:40]!r} for this panel."
        return _failed(request["id"], what, "After an upgrade of notebookviz restart the kernel and reload the page.")
    try:
        done = method(params if isinstance(params, dict) else {})
    except NotebookvizError as error:
        return _failed(request["id"], error.what, error.hint)
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - told to the person who clicked
        return _failed(request["id"], f"{type(error).__name__}: {error}"[:2000], "")
    return {"id": request["id"], "result": dict(done.result), "error": None}, done.buffers


def frames(message: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> list[bytes | str]:
    """Turn a message into WebSocket frames: text without buffers, else one or more binary pieces.

    A binary piece starts with three little-endian 32-bit numbers: the message's number, the piece's number from 0,
    and how many pieces there are.  The joined pieces are the length of the JSON (32 bits), the JSON, the buffers.
    """
    if not buffers:
        return [json.dumps(message)]
    text = json.dumps({**message, "buffers": [len(item) for item in buffers]}).encode()
    whole = b"".join((struct.pack("<I", len(text)), text, *buffers))
    number = next(_numbers) & 0xFFFFFFFF
    count = -(-len(whole) // PIECE)
    view = memoryview(whole)
    return [
        struct.pack("<III", number, index, count) + view[index * PIECE : (index + 1) * PIECE] for index in range(count)
    ]


def _failed(number: int | str, what: str, hint: str) -> Message:
    return {"id": number, "result": None, "error": {"what": what, "hint": hint}}, ()
