"""The installed ``netron`` package, read as files: its modules, metadata and styles, never its Python code."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from notebookviz.errors import ViewerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SUPPORTED: Final = ">=9.3,<9.4"
LARGE: Final = 1 << 19  # bytes of metadata, pressed to a tenth, that are sent whole
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]*")
_WORD: Final = re.compile(rb"[\w.:]{5,}")
_HIDDEN: Final = frozenset({"browser", "desktop", "index", "node", "worker"})


def version() -> str:
    """Version of the installed ``netron`` package, which must be one that we support.

    Raises:
        ViewerError: When the package is absent or its version is not supported.

    Example:
        >>> version().startswith("9.3.")
        True
    """
    try:
        found = importlib.metadata.version("netron")
    except importlib.metadata.PackageNotFoundError as error:
        raise ViewerError(
            f"The package netron is not installed; notebookviz draws with netron{SUPPORTED}.",
            hint=f"Run: pip install 'netron{SUPPORTED}'",
        ) from error
    if re.match(r"9\.3(\.\d+)*$", found) is None:
        raise ViewerError(
            f"netron {found} is installed; notebookviz draws with netron{SUPPORTED}.",
            hint=f"Run: pip install 'netron{SUPPORTED}'",
        )
    return found


@lru_cache(maxsize=1)
def folder() -> Path:
    """Folder of the installed ``netron`` package, found without importing it.

    Raises:
        ViewerError: When the package is absent or its version is not supported.
    """
    version()
    spec = importlib.util.find_spec("netron")
    if spec is None or not spec.submodule_search_locations:
        raise ViewerError(
            "The package netron is listed as installed, but its folder can't be found.",
            hint=f"Run: pip install --force-reinstall 'netron{SUPPORTED}'",
        )
    return Path(next(iter(spec.submodule_search_locations)))


@lru_cache(maxsize=1)
def module_names() -> frozenset[str]:
    """Names of Netron's modules that the page may ask for, without ``.js``; its own hosts are left out.

    Example:
        >>> "onnx" in module_names(), "browser" in module_names()
        (True, False)
    """
    return frozenset(path.stem for path in folder().glob("*.js")) - _HIDDEN


def module_text(name: str) -> bytes:
    """Text of one of Netron's modules.

    Args:
        name: Name of the module, with or without ``.js``; never a path.

    Raises:
        ViewerError: When Netron has no such module.

    Example:
        >>> b"ModelFactory" in module_text("onnx")
        True
    """
    stem = name.removesuffix(".js")
    if _NAME.fullmatch(stem) is None or stem not in module_names():
        raise ViewerError(f"Netron {version()} has no module {name[:60]!r}.", hint="Reload the page.")
    return (folder() / f"{stem}.js").read_bytes()


def metadata_subset(name: str, types: Iterable[str]) -> bytes:
    """One of Netron's ``*-metadata.json`` files, cut to some operator types.

    Args:
        name: File name, for instance ``onnx-metadata.json``; never a path.
        types: Names of the operators to keep; none keeps them all.

    Returns:
        JSON text.

    Raises:
        ViewerError: When Netron has no such file.

    Example:
        >>> len(json.loads(metadata_subset("onnx-metadata.json", ["Relu"]))) > 0
        True
    """
    path = _metadata_path(name)
    wanted = frozenset(types)
    return _cut(path.read_bytes(), wanted.__contains__) if wanted else path.read_bytes()


def metadata_within(name: str, data: bytes) -> bytes:
    r"""One of Netron's ``*-metadata.json`` files; a large one is cut to the operator types that a file may name.

    Args:
        name: File name, for instance ``onnx-metadata.json``; never a path.
        data: Bytes of the file that is read with it.

    Returns:
        JSON text.

    Raises:
        ViewerError: When Netron has no such file.

    Example:
        >>> {item["name"] for item in json.loads(metadata_within("onnx-metadata.json", b"\x04Relu"))}
        {'Relu'}
    """
    text = _metadata_path(name).read_bytes()
    if len(text) <= LARGE:
        return text
    words = b" ".join(set(_WORD.findall(data)))  # far less than the data, most of which are weights

    def named(type_: str) -> bool:
        word = type_.encode()
        return word in (words if _WORD.fullmatch(word) else data)

    return _cut(text, named)


def _metadata_path(name: str) -> Path:
    stem = name.removesuffix("-metadata.json")
    path = folder() / f"{stem}-metadata.json"
    if stem == name or _NAME.fullmatch(stem) is None or not path.is_file():
        raise ViewerError(f"Netron {version()} has no metadata file {name[:60]!r}.", hint="Reload the page.")
    return path


def _cut(text: bytes, wanted: Callable[[str], bool]) -> bytes:
    """A list of operator types, cut to those that are wanted."""
    entries = json.loads(text)
    if not isinstance(entries, list):
        return text
    found = {name: wanted(name) for name in {str(item.get("name")) for item in entries}}
    kept = [item for item in entries if found[str(item.get("name"))]]
    return json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode()


def licence_text() -> str:
    """Netron's licence, as its distribution ships it.

    Example:
        >>> "MIT" in licence_text()
        True
    """
    version()
    for item in importlib.metadata.files("netron") or ():
        if item.name.upper().startswith(("LICENSE", "LICENCE")):
            return item.read_text()
    return "MIT"
