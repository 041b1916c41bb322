"""The line of user code behind a call: the nearest frame outside PyTorch and this package."""

from __future__ import annotations

import linecache
import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture.naming import cut
from notebookviz.graph.records import Source

if TYPE_CHECKING:
    from types import CodeType, FrameType, TracebackType

_INSIDE = (
    str(Path(torch.__file__).parent) + os.sep,
    str(Path(__file__).parent) + os.sep,
    str(Path(threading_file).parent / "threading.py") if (threading_file := sys.modules["threading"].__file__) else "",
)
_PACKAGES = tuple(
    {str(Path(__file__).parents[1]) + os.sep}
    | {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_KNOWN: dict[CodeType, bool] = {}
_LONGEST = 300

Place = tuple[str, int, str]


def outside(code: CodeType) -> bool:
    """Whether a piece of code is the user's (or a model library's), not PyTorch's or ours."""
    known = _KNOWN.get(code)
    if known is None:
        name = code.co_filename
        known = _KNOWN[code] = not (name.startswith(_INSIDE) or name.startswith("<frozen"))
    return known


def here() -> Place | None:
    """File, line and function of the nearest user frame that is running now."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 (the documented way to walk frames quickly)
    while frame is not None:
        code = frame.f_code
        if outside(code):
            return code.co_filename, frame.f_lineno, code.co_name
        frame = frame.f_back
    return None


def caller() -> Place | None:
    """File, line and function of the nearest frame that is in no installed package: the user's call of ``show``."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith((*_PACKAGES, "<frozen")):
            return file, frame.f_lineno, frame.f_code.co_name
        frame = frame.f_back
    return None


def raised(traceback: TracebackType | None) -> Place | None:
    """The innermost user frame that an exception passed through."""
    found = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if outside(code):
            found = (code.co_filename, traceback.tb_lineno, code.co_name)
        traceback = traceback.tb_next
    return found


def own(traceback: TracebackType | None) -> Place | None:
    """The innermost frame that is in no installed package of those that an exception passed through."""
    found = None
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if not code.co_filename.startswith((*_PACKAGES, "<frozen")):
            found = (code.co_filename, traceback.tb_lineno, code.co_name)
        traceback = traceback.tb_next
    return found


def record(place: Place | None, cache: dict[Place, Source]) -> Source | None:
    """Turn a place into a record that holds the text of its line."""
    if place is None:
        return None
    found = cache.get(place)
    if found is None:
        file, line, function = place
        code = linecache.getline(file, line).strip()
        found = cache[place] = Source(
            cut(cell(file) or file, _LONGEST), line, cut(function, _LONGEST), cut(code, _LONGEST)
        )
    return found


def cell(file: str) -> str:
    """``In [3]`` for the file name of a notebook's cell, else ``""``."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    name = getattr(getattr(shell, "compile", None), "format_code_name", None)
    found = name(file) if name is not None else None
    return str(found[1]).replace("In[", "In [") if found else ""


def short(file: str) -> str:
    """A file as it is named in a sentence: ``net.py``, ``In [3]``."""
    return cell(file) or re.split(r"[\\/]", file)[-1]
