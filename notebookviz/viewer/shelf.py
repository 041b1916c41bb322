"""What was made of installed files, kept for the next kernel in a folder of the user's own."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from notebookviz.errors import InputError
from notebookviz.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable

_DIGEST = 32  # bytes of a SHA-256
_OTHERS = 0o022  # who may write beside the owner


class Shelf:
    """One thing that takes a while to make, kept for as long as the files it is made of stay as they are.

    It is read back only from a folder that nobody else can write to, and only whole.  Where there is no such folder
    nothing is kept.  Each installation has one file there.

    Args:
        name: What it is.
        files: What it is made of.

    Example:
        >>> Shelf("nothing", [Path(__file__)]).get() is None
        True
    """

    def __init__(self, name: str, files: Iterable[Path]) -> None:
        digest = hashlib.sha256()
        for path in files:
            facts = path.stat()
            digest.update(f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
        self._made_of = digest.digest()
        place = hashlib.sha256(str(Path(__file__).parent).encode()).hexdigest()
        self._name = f"{name}-{place[:16]}"

    def get(self) -> bytes | None:
        """What was put here; None where that was made of other files, or can't be trusted."""
        with suppress(OSError, RuntimeError):
            folder = _folder()
            if not _is_ours(folder):
                return None
            text = (folder / self._name).read_bytes()
            made_of, digest, data = text[:_DIGEST], text[_DIGEST : 2 * _DIGEST], text[2 * _DIGEST :]
            if made_of == self._made_of and digest == hashlib.sha256(data).digest():
                return data
        return None

    def put(self, data: bytes) -> None:
        """Keep it, where that is possible."""
        with suppress(OSError, RuntimeError, InputError):
            folder = _folder()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _is_ours(folder):
                write_atomically(folder / self._name, self._made_of + hashlib.sha256(data).digest() + data)


def _folder() -> Path:
    """Where caches of a user stand, as torch's and others' do on every system."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "notebookviz"


def _is_ours(folder: Path) -> bool:
    """Whether only this user can write there; on Windows a profile is its user's."""
    if os.name == "nt":
        return True
    facts = folder.stat()
    return facts.st_uid == os.getuid() and not facts.st_mode & _OTHERS
