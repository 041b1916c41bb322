"""The panel as one HTML document: saved as a file without a kernel, or served to a plain browser.

The two differ in the transport only.  Everything is inside: the page with Netron's modules, the panel's script and
style, the recording.  The policy lets it reach nothing but, when served, the server it came from.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from notebookviz.viewer.netron import version
from notebookviz.viewer.packer import static_source
from notebookviz.viewer.page import page_html

if TYPE_CHECKING:
    from collections.abc import Mapping

_NONCE: Final = re.compile(r'data-nonce="([\w-]+)"')
_DOCUMENT: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{title}</title>
<!--
Made with notebookviz (Apache-2.0).  Drawn by Netron {netron}, copyright (c) Lutz Roeder, under the MIT licence:
{licence}
-->
<style>
html, body {{ margin: 0; height: 100%; }}
noscript {{ display: block; padding: 1em; font-family: sans-serif; }}
</style>
</head>
<body>
<main id="notebookviz" aria-label="{title}"></main>
<noscript>{fallback}</noscript>
<script type="application/json" id="facts" nonce="{nonce}">{facts}</script>
<script type="text/plain" id="style" nonce="{nonce}">{style}</script>
<script type="text/plain" id="page" nonce="{nonce}">{page}</script>
<script type="text/plain" id="data" nonce="{nonce}">{data}</script>
<script type="text/plain" id="script" nonce="{nonce}">{script}</script>
<script type="module" nonce="{nonce}">
const packed = Uint8Array.from(atob(document.getElementById('script').textContent), (each) => each.charCodeAt(0));
const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
const source = new Blob([await new Response(stream).text()], {{ type: 'text/javascript' }});
await import(URL.createObjectURL(source));
</script>
</body>
</html>
"""
_LICENCE: Final = """\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright notice and
this permission notice shall be included in all copies or substantial portions of the Software.
THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE."""


class Document(NamedTuple):
    """An HTML document and its Content-Security-Policy."""

    html: str
    policy: str


def static_html(  # noqa: PLR0913 - each is documented
    subject: Mapping[str, Any],
    data: bytes,
    *,
    state: Mapping[str, Any] | None = None,
    token: str = "",
    modules: Mapping[str, bytes] | None = None,
    fallback: str = "",
) -> Document:
    """Build the document.

    Args:
        subject: Facts for the header; ``{"kind": "structure"|"file", "name": …}``.
        data: The packed recording, or the file's bytes.
        state: What is opened and selected.
        token: The served panel's token; ``""`` for a saved document.
        modules: Texts that Netron needs beside its basic ones, by name, for a saved file.
        fallback: HTML for browsers without scripts, made by us.

    Returns:
        The document and its policy.

    Example:
        >>> static_html({"kind": "structure", "name": "Net"}, b"").html.startswith("<!DOCTYPE html>")
        True
    """
    page = page_html()
    found = _NONCE.search(page)
    nonce = found[1] if found is not None else ""
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
        f"worker-src blob:; frame-src 'self'; connect-src {_reach(token)}; "
        "base-uri 'none'; form-action 'none'"
    )
    facts = {
        "subject": dict(subject),
        "state": dict(state or {}),
        "token": token,
        "modules": {name: _packed(text) for name, text in (modules or {}).items()},
    }
    title = html.escape(f"{subject.get('name', 'model')} · notebookviz")
    text = _DOCUMENT.format(
        policy=policy,
        title=title,
        netron=version(),
        licence=_LICENCE,
        fallback=fallback,
        nonce=nonce,
        facts=json.dumps(facts).replace("<", "\\u003c"),
        style=_packed(files("notebookviz.viewer").joinpath("panel.css").read_bytes()),
        page=_packed(page.encode()),
        data=base64.b64encode(data).decode(),
        script=_packed(static_source().encode()),
    )
    return Document(text, policy)


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def _reach(token: str) -> str:
    return "'self'" if token else "'none'"
