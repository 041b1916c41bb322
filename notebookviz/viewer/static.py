"""The panel as one HTML document: saved as a file without a kernel, or served to a plain browser.

The two differ in the transport only.  Everything is inside: the page with Netron's modules, the panel's script and
style, the recording.  The policy lets it reach nothing but, when served, the server it came from.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from notebookviz.viewer import bundle
from notebookviz.viewer.netron import version

if TYPE_CHECKING:
    from collections.abc import Mapping

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
#notebookviz {{ height: 100vh; }}
noscript {{ display: block; padding: 1em; font-family: sans-serif; }}
</style>
</head>
<body>
<main id="notebookviz" aria-label="{title}"></main>
<noscript>{fallback}</noscript>
<script type="application/json" id="facts" nonce="{nonce}">{facts}</script>
<script type="text/plain" id="packed" nonce="{nonce}">{packed}</script>
<script type="module" nonce="{nonce}">
const text = (id) => document.getElementById(id).textContent;
const bytes = Uint8Array.from(atob(text('packed')), (each) => each.charCodeAt(0));
const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
const [page, source, style] = (await new Response(stream).text()).split('\\0');
const {{ default: panel }} = await import(URL.createObjectURL(new Blob([source], {{ type: 'text/javascript' }})));
panel.open(document.getElementById('notebookviz'), JSON.parse(text('facts')), {{ page, style, nonce: '{nonce}' }});
</script>
</body>
</html>
"""
LICENCE: Final = """\
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


@dataclass(frozen=True)
class Contents:
    """What a panel without a widget holds.

    Attributes:
        subject: Facts for the header; ``{"kind": "structure"|"file", "name": …}``.
        data: The packed recording, or the file's bytes.
        state: What is opened and selected.
        modules: Texts that Netron needs beside its basic ones, by name, for a saved file.
        tensors: Values that are included, by the tensor's name: facts as the method ``tensor`` gives, and bytes.
    """

    subject: Mapping[str, Any]
    data: bytes = b""
    state: Mapping[str, Any] = field(default_factory=dict)
    modules: Mapping[str, bytes] = field(default_factory=dict)
    tensors: Mapping[str, tuple[Mapping[str, Any], bytes]] = field(default_factory=dict)

    def facts(self, token: str = "", height: int = 0) -> dict[str, Any]:
        """What ``static.js`` reads, as plain JSON data.

        Args:
            token: The served panel's token; ``""`` where there is no kernel.
            height: Pixels; 0 fills its place.
        """
        return {
            "subject": dict(self.subject),
            "state": dict(self.state),
            "token": token,
            "height": height,
            "data": base64.b64encode(self.data).decode(),
            "modules": {name: _packed(text) for name, text in self.modules.items()},
            "tensors": {
                name: {"facts": dict(facts), "data": base64.b64encode(data).decode()}
                for name, (facts, data) in self.tensors.items()
            },
        }


def static_html(contents: Contents, *, token: str = "", fallback: str = "") -> Document:
    """Build the document.

    Args:
        contents: What it holds.
        token: The served panel's token; ``""`` for a saved document.
        fallback: HTML for browsers without scripts, made by us.

    Returns:
        The document and its policy.

    Example:
        >>> static_html(Contents({"kind": "structure", "name": "Net"})).html.startswith("<!DOCTYPE html>")
        True
    """
    nonce = secrets.token_urlsafe(18)
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
        f"worker-src blob:; frame-src 'self'; connect-src {_reach(token)}; "
        "base-uri 'none'; form-action 'none'"
    )
    text = _DOCUMENT.format(
        policy=policy,
        title=html.escape(f"{contents.subject.get('name', 'model')} · notebookviz"),
        netron=version(),
        licence=LICENCE,
        fallback=fallback,
        nonce=nonce,
        facts=script_json(contents.facts(token)),
        packed=base64.b64encode(bundle.smallest()).decode(),
    )
    return Document(text, policy)


def script_json(data: object) -> str:
    """JSON that may stand inside a script element: nothing in it ends the element or begins a comment."""
    return json.dumps(data).replace("<", "\\u003c")


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def _reach(token: str) -> str:
    return "'self'" if token else "'none'"
