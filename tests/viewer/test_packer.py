"""The packer: what it joins runs, and what it does not know fails loudly."""

from __future__ import annotations

import base64
import gzip
import re
from typing import TYPE_CHECKING

import pytest

from notebookviz.errors import ViewerError
from notebookviz.viewer import netron, packer
from notebookviz.viewer.page import NONCE, page_html
from notebookviz.viewer.static import Contents, static_html

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FILES = {
    "entry": "import { two as deux, Three } from './second.js';\nimport * as first from './first.js';\n"
    "export default [first.one, deux(), new Three().value, first.four];\n",
    "second": "import { one } from './first.js';\nexport function two() { return one + 1; }\n"
    "export class Three { value = hidden; }\nconst hidden = 3;\n",
    "first": "export const one = 1;\nexport let zero = 0;\nexport async function later() {}\nconst hidden = 9;\n"
    "export const { four, five } = { four: 4 };\n",
}


def test_joined_modules_run_and_share_nothing_by_accident(browser: Browser) -> None:
    joined = packer.join_es_modules("entry", FILES.__getitem__)
    page = browser.new_page()
    found = page.evaluate(
        "source => import(`data:text/javascript,${encodeURIComponent(source)}`).then((module) => module.default)",
        joined,
    )
    page.close()
    assert found == [1, 2, 3, 4]
    assert joined.count("_first = ") == 1


@pytest.mark.parametrize(
    "line",
    [
        "import one from './first.js';",
        "import * as first from 'first';",
        "import './first.js';",
        'import { one } from "./first.js";',
        "import { one } from 'first';",
        "export { one } from './first.js';",
        "export * from './first.js';",
        "export { one };",
        "const x = await import('./first.js');",
    ],
)
def test_other_forms_fail(line: str) -> None:
    with pytest.raises(ViewerError, match=r"^entry\.js holds a line that the packer does not know: "):
        packer.join_es_modules("entry", {**FILES, "entry": line}.__getitem__)


def test_default_is_for_the_entry_only() -> None:
    files = {"entry": "import { one } from './first.js';", "first": "export const one = 1;\nexport default one;"}
    with pytest.raises(ViewerError, match=r"first\.js holds a line .* 'export default one;'"):
        packer.join_es_modules("entry", files.__getitem__)


def test_a_missing_export_fails() -> None:
    files = {**FILES, "entry": "import { nine } from './first.js';"}
    with pytest.raises(ViewerError, match=r"entry\.js imports 'nine', which first\.js does not export"):
        packer.join_es_modules("entry", files.__getitem__)


def test_a_circle_fails() -> None:
    files = {
        "a": "import { b } from './b.js';\nexport const a = 1;",
        "b": "import { a } from './a.js';\nexport const b = 1;",
    }
    with pytest.raises(ViewerError, match="The modules a → b → a import each other in a circle"):
        packer.join_es_modules("a", files.__getitem__)


def test_the_page_holds_netrons_own_lines_and_no_more() -> None:
    source = packer.netron_source()
    assert source.count(" = (() => {\n") == len(packer.STRUCTURE_MODULES) + 1
    kept = set(source.splitlines())
    for name in packer.STRUCTURE_MODULES:
        changed = [line for line in netron.module_text(name).decode().splitlines() if line.rstrip() not in kept]
        assert all("import" in line or line.startswith("export ") for line in changed), changed


def test_a_netron_module_of_another_form_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    real = netron.module_text
    line = b"const x = await import('./' + name);\nexport * from './other.js';\n"
    monkeypatch.setattr(netron, "module_text", lambda name: real(name) + line)
    with pytest.raises(ViewerError, match=r"base\.js holds a line that the packer does not know"):
        packer.netron_source()


def test_a_changed_dagre_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(netron, "module_text", lambda _: b"export { layout };")
    with pytest.raises(ViewerError, match="ends its dagre module in another way than expected"):
        packer.worker_source()


def test_the_page_is_whole_and_small() -> None:
    html = page_html()
    assert html is page_html()
    assert len(html) < 900_000
    assert len(gzip.compress(html.encode())) < 200_000
    assert "http://" not in html.replace("http://www.w3.org/", "").split("<script", 1)[0]
    assert "javascript:" not in html.split('<script type="text/plain"', 1)[0]
    for directive in ("default-src 'none'", "connect-src 'none'", "base-uri 'none'", "form-action 'none'"):
        assert directive in html
    assert "google-analytics" not in html


def test_each_saved_document_has_a_nonce_of_its_own() -> None:
    documents = [static_html(Contents({"kind": "structure", "name": "Net"})) for _ in range(2)]
    nonces = [re.findall(r"'nonce-([\w-]+)'", policy) for _, policy in documents]
    assert nonces[0] != nonces[1]
    for (html, _), [nonce] in zip(documents, nonces, strict=True):
        assert html.count(f'<script type="module" nonce="{nonce}">') == 1
        assert f"nonce: '{nonce}'" in html  # the panel gives it to the page, which is bound by the document's policy
    packed = gzip.decompress(base64.b64decode(re.findall(r'id="packed"[^>]*>([^<]+)<', documents[0].html)[0])).decode()
    page = packed.split("\0")[0]
    assert page.count(NONCE) == page_html().count(NONCE) > 4
