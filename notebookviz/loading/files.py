"""Model files for the page.

A file is read as bytes and goes to the page as bytes: nothing in it is executed or unpickled.  What is refused is
refused here, in one sentence with the next step.
"""

from __future__ import annotations

import errno
import io
import json
import os
import re
import stat
import sys
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final, NamedTuple

from notebookviz.errors import LoadingError

MAX_BYTES: Final = 1 << 30
SHOWN_CHARACTERS: Final = 200

_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
_MANY: Final = 5
# Of files that are most likely models, among the many that Netron reads.
MODEL_SUFFIXES: Final = frozenset(
    (
        ".caffemodel",
        ".ckpt",
        ".gguf",
        ".h5",
        ".hdf5",
        ".keras",
        ".mlmodel",
        ".mnn",
        ".onnx",
        ".ort",
        ".pb",
        ".pdmodel",
        ".prototxt",
        ".pt",
        ".pt2",
        ".pte",
        ".pth",
        ".rknn",
        ".safetensors",
        ".tflite",
        ".torchscript",
        ".xmodel",
    )
)
# First bytes of the fields of ONNX's ModelProto, and protobuf's wire types.
_ONNX_KEYS: Final = frozenset(b"\x08\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2\xca")
_FIXED_BYTES: Final = {1: 8, 5: 4}
_WITH_LENGTH: Final = 2


class ModelFile(NamedTuple):
    """The bytes of a model file, and the folder from which its external data may be read.

    Attributes:
        name: The file's name without its folder; Netron chooses its reader by the extension.
        data: The file's bytes.
        folder: Where it was read; ``None`` for a model that came from memory and has no external data.
    """

    name: str
    data: bytes
    folder: Path | None = None

    def external(self, name: str) -> bytes:
        """Read external data that the file names, from the file's own folder only.

        Args:
            name: The location as the model file gives it: relative, with ``/``.

        Returns:
            The bytes of that file.

        Raises:
            LoadingError: The name leads out of the folder, through a link, or to something that can't be read.

        Example:
            >>> ModelFile("model.onnx", b"").external("weights.bin")
            Traceback (most recent call last):
            ...
            notebookviz.errors.LoadingError: 'weights.bin' is outside the model: model.onnx has no folder. \
Open the model from its file.
        """
        shown = _shown(name)
        if self.folder is None:
            raise LoadingError(
                f"{shown} is outside the model: {self.name} has no folder.",
                where=name,
                hint="Open the model from its file.",
            )
        return _read_below(self.folder, _inner_parts(name), shown)


def read_model_file(path: str | os.PathLike[str]) -> ModelFile:
    """Read a model file that the user named.

    Args:
        path: A path; ``~`` is the home folder.

    Returns:
        Its name, its bytes and its folder.

    Raises:
        LoadingError: There is nothing there that can be shown; the sentence says what to try.

    Example:
        >>> read_model_file("https://example.com/model.onnx")
        Traceback (most recent call last):
        ...
        notebookviz.errors.LoadingError: 'https://example.com/model.onnx' is a web address; a file on this machine \
is wanted. Download it and pass the path of the file.
    """
    found, shown = local_path(path)
    data = _read(found, shown)
    _refuse_truncated(data, found.suffix.lower(), shown)
    return ModelFile(found.name, data, Path(os.path.abspath(found)).parent)  # noqa: PTH100 - a link keeps its own folder


def local_path(path: str | os.PathLike[str]) -> tuple[Path, str]:
    """A path that the user named, and its name as it is safe to print; a web address is refused."""
    text = os.fspath(path)
    shown = _shown(text)
    if _URL.match(text):
        raise LoadingError(
            f"{shown} is a web address; a file on this machine is wanted.",
            where=text,
            hint="Download it and pass the path of the file.",
        )
    try:
        return Path(text).expanduser(), shown
    except RuntimeError as error:
        raise LoadingError(
            f"The home folder in {shown} is unknown.", where=text, hint="Write the whole path."
        ) from error


def _shown(text: str) -> str:
    """A name as it is safe to print: quoted, on one line, cut."""
    cut = text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
    return repr(cut)


def _read(path: Path, shown: str) -> bytes:
    """Read a regular file, following links: the user chose it."""
    try:
        if path.is_dir():
            raise LoadingError(f"{shown} is a folder; a file is wanted.", where=str(path), hint=_files_in(path))
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:
        if isinstance(error, LoadingError):
            raise
        raise unreadable(shown, error) from error
    return _drain(descriptor, shown)


def _drain(descriptor: int, shown: str) -> bytes:
    """Read an opened file to its end and close it; anything but a regular file of a sensible size is refused."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise LoadingError(f"{shown} is not a regular file.", where=shown, hint="Pass a file with a model in it.")
    with os.fdopen(descriptor, "rb") as stream:
        if status.st_size > MAX_BYTES:
            raise LoadingError(
                f"{shown} has {status.st_size / 1e9:.1f} GB; at most {MAX_BYTES / 1e9:.1f} GB fit into the page.",
                where=shown,
                hint="Save the model with its weights as external data and open the small file.",
            )
        try:
            data = stream.read()
        except OSError as error:
            raise unreadable(shown, error) from error
    if not data:
        raise LoadingError(f"{shown} is empty.", where=shown, hint="Save or download it again.")
    return data


def _inner_parts(name: str) -> tuple[str, ...]:
    """The parts of an external data name; a name that could lead out of the folder is refused."""
    windows = PureWindowsPath(name)
    parts = PurePosixPath(name).parts
    if (
        not parts
        or name.startswith("/")
        or windows.drive
        or windows.root
        or "\x00" in name
        or ".." in parts
        or ".." in windows.parts
    ):
        raise LoadingError(
            f"External data {_shown(name)} leads out of the model's folder, so it is not read.",
            where=name,
            hint="Put the data beside the model file and save the model again.",
        )
    return parts


def _read_below(folder: Path, parts: tuple[str, ...], shown: str) -> bytes:
    """Read a file below a folder without ever following a link."""
    if sys.platform == "win32":
        return _read_below_by_name(folder, parts, shown)
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for depth, part in enumerate(parts):
            last = depth == len(parts) - 1
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_NONBLOCK if last else os.O_DIRECTORY)
            try:
                inner = os.open(part, flags, dir_fd=descriptor)
            finally:
                os.close(descriptor)
            descriptor = inner
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in {errno.ELOOP, errno.ENOTDIR}:
            raise _linked(shown) from error
        if isinstance(error, FileNotFoundError):
            raise LoadingError(
                f"External data {shown} was not found.", where=shown, hint="Put it beside the model file."
            ) from error
        raise unreadable(f"External data {shown}", error) from error
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        os.close(descriptor)
        raise _linked(shown)
    return _drain(descriptor, shown)


def _read_below_by_name(folder: Path, parts: tuple[str, ...], shown: str) -> bytes:
    """The same where folders can't be opened: every part is looked at first."""
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink() or (hasattr(path, "is_junction") and path.is_junction()):
            raise _linked(shown)
    if path.is_file() and path.stat().st_nlink > 1:
        raise _linked(shown)
    return _read(path, shown)


def _linked(shown: str) -> LoadingError:
    return LoadingError(
        f"External data {shown} is reached through a link, so it is not read.",
        where=shown,
        hint="Copy the data itself beside the model file.",
    )


def unreadable(shown: str, error: Exception) -> LoadingError:
    """Why a file could not be opened or read, in words."""
    if isinstance(error, FileNotFoundError):
        return LoadingError(
            f"{shown} was not found.", where=shown, hint=f"The current folder is {str(Path.cwd())!r}: check the path."
        )
    if isinstance(error, PermissionError):
        return LoadingError(f"{shown} may not be read.", where=shown, hint="Check the file's permissions.")
    reason = getattr(error, "strerror", None) or str(error)
    return LoadingError(f"{shown} can't be read: {reason}.", where=shown, hint="Check the path and the disk.")


def _files_in(folder: Path) -> str:
    try:
        names = sorted(
            entry.name for entry in folder.iterdir() if entry.suffix.lower() in MODEL_SUFFIXES and entry.is_file()
        )
    except OSError:
        names = []
    if not names:
        return "Pass the path of a model file."
    more = " and more" if len(names) > _MANY else ""
    return f"Pass a file in it: {', '.join(_shown(name) for name in names[:_MANY])}{more}."


def _refuse_truncated(data: bytes, suffix: str, shown: str) -> None:
    """Find out cheaply that the end is missing, where the format tells."""
    whole = True
    if suffix == ".onnx":
        whole = _protobuf_is_whole(data)
    elif suffix == ".safetensors":
        whole = _safetensors_is_whole(data)
    elif data.startswith(b"PK\x03\x04"):
        whole = zipfile.is_zipfile(io.BytesIO(data))
    if not whole:
        raise LoadingError(
            f"{shown} is truncated or damaged: the file ends inside its {suffix.lstrip('.') or 'zip'} data.",
            where=shown,
            hint="Save or download it again.",
        )


def _protobuf_is_whole(data: bytes) -> bool:
    """Walk over a protobuf message's outermost fields: none may reach beyond the end of the file.

    A file that is no protobuf message (JSON, or protobuf's text form) is left to Netron's readers.
    """
    if data[0] not in _ONNX_KEYS:
        return True
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        wire = key & 7
        if wire == 0:
            _, position = _varint(data, position)
        elif wire in _FIXED_BYTES:
            position += _FIXED_BYTES[wire]
        elif wire == _WITH_LENGTH:
            length, position = _varint(data, position)
            position += length
        else:
            return True
    return position == len(data)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """One variable-length number and the position after it; past the end, a position past the end."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            return 0, len(data) + 1
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that another byte follows
            return value, position
    return 0, len(data) + 1


def _safetensors_is_whole(data: bytes) -> bool:
    start = 8 + int.from_bytes(data[:8], "little")
    if len(data) < start:
        return False
    try:
        header = json.loads(data[8:start])
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return False
    return len(data) >= start + max(ends, default=0)
