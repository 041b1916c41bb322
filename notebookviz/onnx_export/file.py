"""An ONNX file with today's weights, written tensor by tensor and put in place in one step."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from typing import TYPE_CHECKING, BinaryIO

import onnx

from notebookviz.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ONE_FILE = 2_000_000_000
ALIGNMENT = 64
# Field numbers of onnx.proto (ModelProto.graph, GraphProto.initializer, TensorProto.raw_data), wire type 2.
GRAPH, INITIALIZER, RAW_DATA = bytes([7 << 3 | 2]), bytes([5 << 3 | 2]), bytes([9 << 3 | 2])


class Draft:
    """A file that is being written beside the one it will replace.

    Args:
        path: The file wanted; the folder must exist.
        limit: Bytes of weights above which they go into a file of their own.

    Attributes:
        temporary: The file that is complete once :meth:`write` returns.
        data: The file of weights, or None.
    """

    def __init__(self, path: Path, limit: int = ONE_FILE) -> None:
        token = secrets.token_hex(4)
        self.path = path
        self.temporary = path.with_name(f".{path.name}.{token}.tmp")
        self.data: Path | None = None
        self._data = path.with_name(f"{path.name}.{token}.data")
        self._limit = limit

    def write(self, model: onnx.ModelProto, value: Callable[[str], memoryview]) -> int:
        """Write the model with the values of its external initializers.

        Args:
            model: The weightless graph; it is left without its external initializers.
            value: Gives the bytes of an initializer by name; called once for each, in order.

        Returns:
            Bytes written.

        Raises:
            ExportError: The disk is full, or the folder can't be written.
        """
        external = [_copy(item) for item in model.graph.initializer if item.data_location == onnx.TensorProto.EXTERNAL]
        inline = [_copy(item) for item in model.graph.initializer if item.data_location != onnx.TensorProto.EXTERNAL]
        del model.graph.initializer[:]
        model.graph.initializer.extend(inline)
        try:
            if sum(nbytes(item) for item in external) + model.ByteSize() > self._limit:
                self._write_data(external, value)
                model.graph.initializer.extend(external)
                with self.temporary.open("xb") as file:
                    file.write(model.SerializeToString())
                    _sync(file)
            else:
                with self.temporary.open("xb") as file:
                    _write_model(file, model, external, value)
                    _sync(file)
            _same_rights(self.temporary, self.path)
            return sum(item.stat().st_size for item in (self.temporary, self.data) if item is not None)
        except OSError as error:
            self.discard()
            raise _unwritable(self.path, error) from error
        except BaseException:
            self.discard()
            raise

    def commit(self) -> None:
        """Put the file in place of the old one, in one step; then drop the old file's weights."""
        try:
            os.replace(self.temporary, self.path)  # noqa: PTH105
        except OSError as error:
            self.discard()
            raise _unwritable(self.path, error) from error
        _sync_folder(self.path.parent)
        pattern = re.compile(re.escape(self.path.name) + r"\.[0-9a-f]{8}\.data")
        for item in self.path.parent.iterdir():
            if pattern.fullmatch(item.name) and item != self.data:
                with contextlib.suppress(OSError):
                    item.unlink()

    def discard(self) -> None:
        """Remove what was written; the old file is as it was."""
        for item in (self.temporary, self._data):
            with contextlib.suppress(OSError):
                item.unlink()

    def _write_data(self, external: list[onnx.TensorProto], value: Callable[[str], memoryview]) -> None:
        self.data = self._data
        with self._data.open("xb") as file:
            for item in external:
                file.write(b"\0" * (-file.tell() % ALIGNMENT))
                start = file.tell()
                file.write(_checked(item, value(item.name)))
                del item.external_data[:]
                for key, text in (("location", self._data.name), ("offset", start), ("length", file.tell() - start)):
                    item.external_data.add(key=key, value=str(text))
            _sync(file)


def nbytes(item: onnx.TensorProto) -> int:
    """Bytes of an external initializer's value."""
    return next(int(entry.value) for entry in item.external_data if entry.key == "length")


def _write_model(
    file: BinaryIO, model: onnx.ModelProto, external: list[onnx.TensorProto], value: Callable[[str], memoryview]
) -> None:
    """The message as protobuf would write it, but with one tensor in memory at a time: all lengths are known before."""
    rest_of_graph = model.graph.SerializeToString()
    heads = [(item, _head(item)) for item in external]
    sizes = [len(head) + 1 + len(_varint(nbytes(item))) + nbytes(item) for item, head in heads]
    total = len(rest_of_graph) + sum(1 + len(_varint(size)) + size for size in sizes)
    shell = onnx.ModelProto()
    shell.CopyFrom(model)
    shell.ClearField("graph")
    file.write(shell.SerializeToString() + GRAPH + _varint(total) + rest_of_graph)
    for (item, head), size in zip(heads, sizes, strict=True):
        file.write(INITIALIZER + _varint(size) + head + RAW_DATA + _varint(nbytes(item)))
        file.write(_checked(item, value(item.name)))


def _head(item: onnx.TensorProto) -> bytes:
    head = _copy(item)
    head.ClearField("external_data")
    head.ClearField("data_location")
    return bytes(head.SerializeToString())


def _checked(item: onnx.TensorProto, value: memoryview) -> memoryview:
    if value.nbytes != nbytes(item):
        raise ExportError(
            f"{item.name} has {value.nbytes} bytes now and had {nbytes(item)} when the model was exported.",
            where=item.name,
            hint="The model has changed: export it again.",
        )
    return value


def _copy(item: onnx.TensorProto) -> onnx.TensorProto:
    copy = onnx.TensorProto()
    copy.CopyFrom(item)
    return copy


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:  # noqa: PLR2004
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _same_rights(new: Path, old: Path) -> None:
    with contextlib.suppress(OSError):
        new.chmod(old.stat().st_mode & 0o777)


def _unwritable(path: Path, error: OSError) -> ExportError:
    reason = error.strerror or type(error).__name__
    kept = " The file that was there is as it was." if path.exists() else ""
    return ExportError(
        f"{path} could not be written: {reason}.{kept}",
        where=str(path),
        hint="Free some space or choose another folder.",
    )
