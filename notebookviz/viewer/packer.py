"""The one packer: joins small ES modules, ours or Netron's, into one text.

The transformation is strict: each module becomes a function scope that returns its exports, in the order in which they
depend on each other.  Only these forms are known, each at the start of a line; any other fails loudly:

* ``import {a, b as c} from './b.js';``, ``import * as b from './b.js';``
* ``export function f``, ``export async function f``, ``export class C``
* ``export const x``, ``export let x``, ``export const { a, b } = c;``
* ``export default`` (of the entry module only)
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from notebookviz.errors import ViewerError
from notebookviz.viewer import netron

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER: Final = Path(__file__).parent / "js"
STRUCTURE_MODULES: Final = ("base", "grapher", "view", "zip")

# Patterns that begin with a plain word are found several times faster, hence the looks behind it.
_IMPORT: Final = re.compile(
    r"import(?<=^import)\s*(?:\{([^}]*)\}|\*\s*as\s+(\w+))\s*from\s*'\./([\w-]+)\.js';[ \t]*$", re.MULTILINE
)
_EXPORT: Final = re.compile(r"export(?<=^export)\s+((?:async\s+)?function\*?|class|const|let)\s+(\w+)", re.MULTILINE)
_EXPORTS: Final = re.compile(r"export(?<=^export)\s+(const\s*\{([\w\s,]*)\}\s*=)", re.MULTILINE)
_DEFAULT: Final = re.compile(r"export(?<=^export)\s+default\s+", re.MULTILINE)
_UNKNOWN: Final = (
    re.compile(r"import(?<=^import)\b(?!\().*$", re.MULTILINE),
    re.compile(r"export(?<=^export)\b.*$", re.MULTILINE),
    re.compile(r"import(?<![{|\w]import)\s*\(\s*['\"].*$", re.MULTILINE),
)
_BINDING: Final = re.compile(r"(\w+)(?:\s+as\s+(\w+))?")
_DYNAMIC: Final = re.compile(r"import(?<!\wimport)\('\./([\w-]+)\.js'\)")
_BARE: Final = re.compile(r"import(?<!\wimport)\('\w+'\)")
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
            add(match[3], (*line, name))
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
        listed, whole, other = match.groups()
        if whole is not None:
            return f"const {whole} = {_variable(other)};"
        bindings = []
        for item in _items(listed):
            found = _BINDING.fullmatch(item)
            if found is None or found[1] not in exports[other]:
                raise ViewerError(f"{name}.js imports {item!r}, which {other}.js does not export.")
            bindings.append(found[1] if found[2] is None else f"{found[1]}: {found[2]}")
        return f"const {{ {', '.join(bindings)} }} = {_variable(other)};"

    names = [match[2] for match in _EXPORT.finditer(text)]
    names += [item for match in _EXPORTS.finditer(text) for item in _items(match[2])]
    text = _EXPORTS.sub(r"\1", _EXPORT.sub(r"\1 \2", _IMPORT.sub(bind, text)))
    if top:
        text, count = _DEFAULT.subn("const _default = ", text)
        if count:
            names.append("default")
    unknown = next(filter(None, (pattern.search(text) for pattern in _UNKNOWN)), None)
    if unknown is not None:
        raise ViewerError(f"{name}.js holds a line that the packer does not know: {unknown[0].strip()[:80]!r}.")
    given = ", ".join("default: _default" if item == "default" else item for item in names)
    return f"const {_variable(name)} = (() => {{\n{text.strip()}\nreturn {{ {given} }};\n}})();", names


def _items(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


@lru_cache(maxsize=1)
def panel_source() -> str:
    """The panel as one ES module, for a widget and for a page without a kernel."""
    return join_es_modules("widget")


def worker_source() -> str:
    """The layout worker as one classic script: Netron's dagre and our layout (a module worker fails in a sandbox)."""
    dagre = netron.module_text("dagre").decode()
    if dagre.count(_DAGRE_EXPORT) != 1:
        raise ViewerError(
            f"Netron {netron.version()} ends its dagre module in another way than expected.",
            hint=f"Run: pip install 'netron{netron.SUPPORTED}'",
        )
    return f"{dagre.replace(_DAGRE_EXPORT, '')}\n{join_es_modules('worker')}"


def netron_source() -> str:
    """Netron's modules that the structure view needs, as one script for the page: ``globalThis.notebookvizNetron``.

    Modules that one of them asks for later come by name, through ``globalThis.notebookvizImport``.

    Example:
        >>> netron_source().splitlines()[-1]
        'globalThis.notebookvizNetron = { base: _base, grapher: _grapher, view: _view, zip: _zip };'
    """
    imports = "".join(f"import * as {name} from './{name}.js';\n" for name in STRUCTURE_MODULES)

    def read(name: str) -> str:
        if name == "netron":
            return imports
        text = _DYNAMIC.sub(r"globalThis.notebookvizImport('\1')", netron.module_text(name).decode())
        return _BARE.sub("Promise.reject(new Error('No such module.'))", text)

    given = ", ".join(f"{name}: {_variable(name)}" for name in STRUCTURE_MODULES)
    return f"{join_es_modules('netron', read)}globalThis.notebookvizNetron = {{ {given} }};"
