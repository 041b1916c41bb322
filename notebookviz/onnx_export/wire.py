"""Messages between the kernel and the export process: one JSON object and some bytes."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = struct.Struct("<I")


def write_message(file: BinaryIO, message: dict[str, Any], blobs: Sequence[bytes] = ()) -> None:
    """Write one message.

    Args:
        file: The pipe.
        message: Plain JSON data.
        blobs: Bytes that go with it.
    """
    text = json.dumps({**message, "sizes": [len(blob) for blob in blobs]}).encode()
    file.write(HEAD.pack(len(text)) + text)
    file.writelines(blobs)
    file.flush()


def read_message(file: BinaryIO) -> tuple[dict[str, Any], list[bytes]] | None:
    """Read one message; None at the end of the pipe, also in the middle of a message.

    Args:
        file: The pipe.
    """
    head = file.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    text = file.read(HEAD.unpack(head)[0])
    try:
        message: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    blobs = [file.read(size) for size in message["sizes"]]
    if any(len(blob) < size for blob, size in zip(blobs, message["sizes"], strict=True)):
        return None
    return message, blobs
