"""All that a browser needs to draw panels, in one piece: the page, the panel's script and its style."""

from __future__ import annotations

import gzip
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from notebookviz.viewer import netron, packer
from notebookviz.viewer.page import page_html
from notebookviz.viewer.shelf import Shelf

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK: Final = 2  # takes an eighth of the time of the smallest, for a fifth more bytes
SMALLEST: Final = 9
STYLES: Final = ("panel", "parameters", "cells")
_FOLDER: Final = Path(__file__).parent


def soon() -> bytes:
    """The bundle as it can be had at once: the smallest if it was made before, else one that is pressed quickly."""
    return _shelf().get() or _pressed(QUICK)


@lru_cache(maxsize=1)
def smallest() -> bytes:
    r"""Page, source and style, gzipped, with NUL between them; the same for all panels.

    Example:
        >>> len(gzip.decompress(smallest()).split(b"\0"))
        3
    """
    shelf = _shelf()
    found = shelf.get()
    if found is None:
        found = _pressed(SMALLEST)
        shelf.put(found)
    return found


def _pressed(level: int) -> bytes:
    texts = f"{page_html()}\0{packer.panel_source()}\0{panel_style()}"
    return gzip.compress(texts.encode(), level, mtime=0)


def panel_style() -> str:
    """The style of the panel, one part after the other."""
    return "\n".join((_FOLDER / f"{name}.css").read_text(encoding="utf-8") for name in STYLES)


def _shelf() -> Shelf:
    """Where the bundle is kept until a file changes that has a part in it."""
    return Shelf("bundle", _sources())


def _sources() -> Iterator[Path]:
    for pattern in ("*.py", "*.css", "js/*.js"):
        yield from sorted(_FOLDER.glob(pattern))
    theirs = {"index.html", "grapher.css", "dagre.js", *(f"{name}.js" for name in packer.STRUCTURE_MODULES)}
    yield from sorted(path for path in netron.folder().iterdir() if path.name in theirs)
