"""The page: one document for the iframe's ``srcdoc``, with Netron's own body and styles and our scripts."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from notebookviz.errors import ViewerError
from notebookviz.viewer import netron, packer

NONCE: Final = "notebookviz-nonce"  # link.js replaces it
_DARK: Final = "@media (prefers-color-scheme: dark)"
_POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}' blob:; style-src 'unsafe-inline'; img-src data: blob:; "
    "worker-src blob:; connect-src 'none'; base-uri 'none'; form-action 'none'"
)
_DOCUMENT: Final = """<!DOCTYPE html>
<html lang="en" data-nonce="{nonce}" data-netron="{version}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Netron</title>
<!-- Netron's styles and body, and its modules in the two scripts below, are copyright of Lutz Roeder (MIT licence). -->
<style>{style}</style>
<style id="netron-graph">{graph}</style>
<style id="notebookviz">{own}</style>
</head>
{body}
<script type="text/plain" id="worker" nonce="{nonce}">{worker}</script>
<script type="module" nonce="{nonce}">
{netron}
</script>
<script type="module" nonce="{nonce}">
{script}</script>
</html>
"""


@lru_cache(maxsize=1)
def page_html() -> str:
    """The whole document for the iframe's ``srcdoc``, built once per process.

    It needs no address, makes no request and works in ``sandbox="allow-scripts"``.  :data:`NONCE` stands where a nonce
    comes in the browser; with the one on its root element (``data-nonce``) it says hello to the panel.

    Raises:
        ViewerError: When the installed Netron is absent or of a version that is not supported.

    Example:
        >>> page_html().startswith("<!DOCTYPE html>")
        True
    """
    version = netron.version()
    index = (netron.folder() / "index.html").read_text(encoding="utf-8")
    return _DOCUMENT.format(
        nonce=NONCE,
        version=version,
        policy=_POLICY.format(nonce=NONCE),
        style=_style(index),
        graph=_themed("grapher.css", (netron.folder() / "grapher.css").read_text(encoding="utf-8")),
        own=(packer.FOLDER.parent / "page.css").read_text(encoding="utf-8"),
        body=_body(index),
        worker=_inline(packer.worker_source()),
        netron=_inline(packer.netron_source()),
        script=_inline(packer.join_es_modules("page")),
    )


def _inline(script: str) -> str:
    """A script as it stands in the document; what would end it can only be inside its strings."""
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _cut(index: str, pattern: str, what: str) -> str:
    found = re.findall(pattern, index, re.DOTALL)
    if len(found) != 1:
        raise ViewerError(
            f"Netron {netron.version()} has {len(found)} {what} in its index.html; notebookviz wants one.",
            hint=f"Run: pip install 'netron{netron.SUPPORTED}'",
        )
    return str(found[0])


def _style(index: str) -> str:
    return _themed("index.html", _cut(index, r"<style>(.*?)</style>", "style elements"))


def _themed(name: str, style: str) -> str:
    if _DARK not in style:
        raise ViewerError(
            f"Netron {netron.version()} has no dark colours in {name}, or marks them in another way than expected.",
            hint=f"Run: pip install 'netron{netron.SUPPORTED}'",
        )
    return style


def _body(index: str) -> str:
    """Netron's body without links: the page goes nowhere, and its policy forbids ``javascript:`` addresses."""
    body = _cut(index, r"(<body.*</body>)", "bodies")
    return re.sub(r'\s(?:href|target)="(?!#)[^"]*"', "", body)
