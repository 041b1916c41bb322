"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from notebookviz.errors import InputError


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file; an existing one stays as it is until all is written.

    Args:
        path: Where to; ``~`` works, and a link is followed.
        data: What to write.

    Raises:
        InputError: The folder does not exist, what is there is no file, or it can't be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_atomically(Path(folder) / "a.txt", b"text")
        ...     (Path(folder) / "a.txt").read_bytes()
        b'text'
    """
    target = Path(os.path.realpath(Path(path).expanduser()))
    if not target.parent.is_dir():
        raise InputError(
            f"The folder {str(target.parent)!r} does not exist.", where=str(target), hint="Create it first."
        )
    if target.is_dir():
        raise InputError(f"{str(target)!r} is a folder; a file name is wanted.", where=str(target))
    if is_device(target):
        raise InputError(f"{str(target)!r} is a device, not a file.", where=str(target), hint="Name a file.")
    temporary = ""
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name[:40]}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(mode)
        Path(temporary).replace(target)
    except BaseException as error:
        with suppress(OSError):
            if temporary:
                Path(temporary).unlink()
        if isinstance(error, OSError):
            raise InputError(
                f"{str(target)!r} can't be written: {error.strerror or error}.",
                where=str(target),
                hint="What was there before is unchanged.",
            ) from error
        raise


def is_device(path: Path) -> bool:
    """Whether something stands there that is neither file nor folder, such as ``/dev/null``: it must not be replaced.

    Example:
        >>> is_device(Path(os.devnull)), is_device(Path("model.onnx"))
        (True, False)
    """
    return path.exists() and not path.is_file() and not path.is_dir()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
