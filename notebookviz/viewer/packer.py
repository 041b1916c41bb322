"""The one packer: joins our small ES modules into one text, and packs Netron's modules for the page.

The transformation is strict: each module becomes a function scope that returns its exports, in the order in which they
depend on each other.  Only four forms are known, each at the start of a line; any other fails loudly:

* ``import {a, b as c} from './b.js';``
* ``export function f``, ``export async function f``, ``export class C``
* ``export const x``, ``export let x``
* ``export default`` (of the entry module only)
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from notebookviz.errors import ViewerError
from notebookviz.viewer import netron

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

FOLDER: Final = Path(__file__).parent / "js"
STRUCTURE_MODULES: Final = ("view", "grapher", "base", "zip")

_IMPORT: Final = re.compile(r"^import\s*\{([^}]*)\}\s*from\s*'\./([\w-]+)\.js';[ \t]*$", re.MULTILINE)
_EXPORT: Final = re.compile(r"^export\s+((?:async\s+)?function\*?|class|const|let)\s+(\w+)", re.MULTILINE)
_DEFAULT: Final = re.compile(r"^export\s+default\s+", re.MULTILINE)
_UNKNOWN: Final = re.compile(r"^(?:import\b(?!\()|export\b).*$|(?<![{|])\bimport\s*\(\s*['\"].*$", re.MULTILINE)
_BINDING: Final = re.compile(r"(\w+)(?:\s+as\s+(\w+))?")
_DAGRE_EXPORT: Final = "export const { layout, Graph } = dagre;"


def own_text(name: str) -> str:
    """Text of one of our own modules, by name without ``.js``."""
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")


def join_es_modules(entry: str, read: Callable[[str], str] = own_text) -> str:
    r"""Join an ES module with all that it imports into the text of one ES module.

    Args:
        entry: Name of the module to start from, without ``.js``.
        read: Gives the text of a module by name.

    Returns:
        The text of one module; it exports what ``export default`` of the entry exports, if there is one.

    Raises:
        ViewerError: On an import or export of a form that is not known, a circle, or a name that is not exported.

    Example:
        >>> files = {"a": "import {one} from './b.js';\nexport default one;", "b": "export const one = 1;"}
        >>> join_es_modules("a", files.__getitem__).splitlines()[-1]
        'export default _a.default;'
    """
    exports: dict[str, list[str]] = {}
    parts: list[str] = []

    def add(name: str, line: tuple[str, ...]) -> None:
        if name in line:
            raise ViewerError(f"The modules {' → '.join((*line, name))} import each other in a circle.")
        if name in exports:
            return
        text = read(name)
        for match in _IMPORT.finditer(text):
            add(match[2], (*line, name))
        body, names = _scope(name, text, exports, top=name == entry)
        exports[name] = names
        parts.append(body)

    add(entry, ())
    if "default" in exports[entry]:
        parts.append(f"export default {_variable(entry)}.default;")
    return "\n".join(parts) + "\n"


def _variable(name: str) -> str:
    return "_" + name.replace("-", "_")


def _scope(name: str, text: str, exports: dict[str, list[str]], *, top: bool) -> tuple[str, list[str]]:
    def bind(match: re.Match[str]) -> str:
        bindings = []
        for item in filter(None, (part.strip() for part in match[1].split(","))):
            found = _BINDING.fullmatch(item)
            if found is None or found[1] not in exports[match[2]]:
                raise ViewerError(f"{name}.js imports {item!r}, which {match[2]}.js does not export.")
            bindings.append(found[1] if found[2] is None else f"{found[1]}: {found[2]}")
        return f"const {{ {', '.join(bindings)} }} = {_variable(match[2])};"

    names = [match[2] for match in _EXPORT.finditer(text)]
    text = _EXPORT.sub(r"\1 \2", _IMPORT.sub(bind, text))
    if top:
        text, count = _DEFAULT.subn("const _default = ", text)
        if count:
            names.append("default")
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        raise ViewerError(f"{name}.js holds a line that the packer does not know: {unknown[0].strip()[:80]!r}.")
    given = ", ".join("default: _default" if item == "default" else item for item in names)
    return f"const {_variable(name)} = (() => {{\n{text.strip()}\nreturn {{ {given} }};\n}})();", names


@lru_cache(maxsize=1)
def widget_source() -> str:
    """The panel as one ES module, for the widget's ``_esm``."""
    return join_es_modules("widget")


@lru_cache(maxsize=1)
def static_source() -> str:
    """The panel as one ES module, for a page without a kernel."""
    return join_es_modules("static")


def worker_source() -> str:
    """The layout worker as one classic script: Netron's dagre and our layout (a module worker fails in a sandbox)."""
    dagre = netron.module_text("dagre").decode()
    if dagre.count(_DAGRE_EXPORT) != 1:
        raise ViewerError(
            f"Netron {netron.version()} ends its dagre module in another way than expected.",
            hint=f"Run: pip install 'netron{netron.SUPPORTED}'",
        )
    return f"{dagre.replace(_DAGRE_EXPORT, '')}\n{join_es_modules('worker')}"


def pack_modules(names: Iterable[str]) -> bytes:
    """Pack Netron's modules and the layout worker for the inlined page.

    Args:
        names: Names of Netron's modules, without ``.js``.

    Returns:
        Base64 of the gzipped JSON object ``{name: text}``; the worker's name is ``notebookviz-worker``.

    Example:
        >>> packed = pack_modules(["base"])
        >>> sorted(json.loads(gzip.decompress(base64.b64decode(packed))))
        ['base', 'notebookviz-worker']
    """
    texts = {name: netron.module_text(name).decode() for name in names}
    texts["notebookviz-worker"] = worker_source()
    packed = gzip.compress(json.dumps(texts, ensure_ascii=False).encode(), 9, mtime=0)
    return base64.b64encode(packed)
