"""What of Netron a file needs, told before any page asks, from the text of Netron's own modules.

Netron asks its readers one after the other, those whose file names or first bytes fit.  ``view.js`` registers them.
Each names the modules and the metadata that it needs, and the kinds of content that ``view.js`` opens for it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from notebookviz.errors import ViewerError
from notebookviz.viewer import netron
from notebookviz.viewer.packer import STRUCTURE_MODULES

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST: Final = 4 << 20  # bytes of text, before they are pressed to an eighth
HEAD: Final = 512  # bytes; Netron looks at 4,096, where some of its patterns take minutes on nothing but empty lines
ARCHIVES: Final = re.compile(rb"PK\x03\x04|\x1f\x8b|.{257}ustar", re.DOTALL)

_REGISTERED: Final = re.compile(r"^\s*this\.register\('\./([\w-]+)',(.*)\);$", re.MULTILINE)
_ITEM: Final = re.compile(r"([\[\]])|'([^']*)'|/((?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\[])+)/(m?)")
_LINK: Final = re.compile(r"(?:\bfrom\s|\bimport\(|\brequire\()\s*'\./([\w-]+)(?:\.js)?'")
_METADATA: Final = re.compile(r"'([\w-]+-metadata\.json)'")
_KIND: Final = re.compile(r"\b(?:peek|read|tags)\('([\w.+-]+)'")
_OPENING: Final = re.compile(r"\n    async (?:peek|read|tags)\(type.*?\n    }\n", re.DOTALL)
_STEP: Final = re.compile(r"case '([\w.+-]+)'|import\('\./([\w-]+)\.js'\)|this\.peek\('([\w.+-]+)'\)")


@dataclass(frozen=True, slots=True)
class Reader:
    """One of Netron's formats.

    Attributes:
        module: Name of its module.
        endings: How names of its files end.
        names: Patterns of such names.
        signatures: Patterns of the first bytes of such files.
    """

    module: str
    endings: tuple[str, ...]
    names: tuple[re.Pattern[str], ...]
    signatures: tuple[re.Pattern[bytes], ...]

    def named(self, name: str) -> bool:
        """Whether a file's name, in lower case, may be one of its."""
        return name.endswith(self.endings) or any(pattern.search(name) for pattern in self.names)

    def signed(self, head: bytes) -> bool:
        """Whether a file begins as its files do."""
        return any(pattern.search(head) for pattern in self.signatures)


@lru_cache(maxsize=1)
def registered() -> tuple[Reader, ...]:
    """All of Netron's readers, in the order in which it asks them.

    Raises:
        ViewerError: The installed Netron registers them in another way than expected.

    Example:
        >>> next(reader.endings for reader in registered() if reader.module == "safetensors")[0]
        '.safetensors'
    """
    found = tuple(_reader(module, arguments) for module, arguments in _REGISTERED.findall(_text("view")))
    if not found:
        raise ViewerError(
            f"Netron {netron.version()} registers its readers in another way than expected.",
            hint=f"Run: pip install 'netron{netron.SUPPORTED}'",
        )
    return found


def readers_of(name: str, data: bytes) -> tuple[str, ...]:
    r"""The modules of the readers that Netron may ask for a file, in its order.

    The first that both the file's name and its first bytes fit is the last.  An archive whose name fits none may hold
    files of all of them.

    Args:
        name: The file's name.
        data: Its bytes.

    Example:
        >>> readers_of("model.tflite", b"\x1c\x00\x00\x00TFL3")
        ('tflite',)
    """
    name, head = name.lower(), data[:HEAD]
    fitting = [(reader.module, reader.named(name), reader.signed(head)) for reader in registered()]
    if ARCHIVES.match(head) and not any(named for _, named, _ in fitting):
        return tuple(module for module, _, _ in fitting)
    found = []
    for module, named, signed in fitting:
        if named or signed:
            found.append(module)
        if named and signed:
            break
    return tuple(found)


def texts_for(name: str, data: bytes) -> dict[str, bytes]:
    """The texts of Netron that a page needs to draw a file, beside those that each page holds.

    Args:
        name: The file's name.
        data: Its bytes.

    Returns:
        Modules by name, metadata by file name: what the first readers need where all would be too much, nothing where
        no reader fits.

    Example:
        >>> sorted(texts_for("weights.safetensors", bytes(9)))
        ['json', 'safetensors', 'text']
    """
    found: dict[str, bytes] = {}
    for reader in readers_of(name, data):
        modules, metadata = _needs(reader)
        new = {module: netron.module_text(module) for module in modules - found.keys()}
        new |= {file: netron.metadata_within(file, data) for file in metadata - found.keys()}
        if found and sum(map(len, (*found.values(), *new.values()))) > LARGEST:
            break
        found |= new
    return found


def _reader(module: str, arguments: str) -> Reader:
    """A line of ``view.js``: after the module's name lists of file names, of archives and of first bytes."""
    lists: list[list[tuple[str, str, str]]] = []
    inside: list[tuple[str, str, str]] = []
    for bracket, *item in _ITEM.findall(arguments):
        if bracket:
            inside = []  # what stands between two lists is for none
            lists += [inside] if bracket == "[" else []
        else:
            inside.append((item[0], item[1], item[2]))
    names, contents = lists[0], lists[2] if len(lists) > 2 else []  # noqa: PLR2004 - the third of them
    return Reader(
        module,
        tuple(text for text, _, _ in names if text),
        tuple(re.compile(pattern) for _, pattern, _ in names if pattern),
        tuple(re.compile(pattern.encode(), re.MULTILINE if flags else 0) for _, pattern, flags in contents),
    )


@lru_cache(maxsize=128)
def _needs(reader: str) -> tuple[frozenset[str], frozenset[str]]:
    """What a reader may ask for, its own module too, without the modules that each page holds: modules and metadata."""
    modules: set[str] = set()
    metadata: set[str] = set()
    left = [reader]
    while left:
        name = left.pop()
        if name in modules or name in STRUCTURE_MODULES or name not in netron.module_names():
            continue
        modules.add(name)
        text = _text(name)
        left += _LINK.findall(text)
        left += (module for kind in set(_KIND.findall(text)) for module in _openers().get(kind, ()))
        metadata |= {file for file in _METADATA.findall(text) if (netron.folder() / file).is_file()}
    return frozenset(modules), frozenset(metadata)


@lru_cache(maxsize=1)
def _openers() -> dict[str, set[str]]:
    """The modules with which ``view.js`` opens each kind of content."""
    found: dict[str, set[str]] = defaultdict(set)
    for method in _OPENING.findall(_text("view")):
        for kinds, module, other in _steps(method):
            for kind in kinds:
                found[kind] |= {module} if module else found[other]
    return dict(found)


def _steps(method: str) -> Iterator[tuple[list[str], str, str]]:
    """What a method of ``view.js`` does: for these kinds it imports a module, or opens the content as another kind."""
    matches = _STEP.findall(method)
    kinds = [kind for kind, _, _ in matches if kind]
    ended = True
    for kind, module, other in matches:
        if kind:
            kinds, ended = [kind] if ended else [*kinds, kind], False
        else:
            ended = True
            yield kinds, module, other


def _text(name: str) -> str:
    return (netron.folder() / f"{name}.js").read_text(encoding="utf-8")
