"""What of Netron a file needs: told from Netron's own text, and enough for Netron to draw each kind of file."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from notebookviz import api, open_file
from notebookviz.errors import ViewerError
from notebookviz.viewer import netron, readers
from notebookviz.viewer.packer import STRUCTURE_MODULES
from tests.viewer.model_files import SAMPLES, Sample, tiny_onnx

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

HDF5 = b"\x89HDF\r\n\x1a\n"


def test_each_line_that_registers_a_reader_is_understood() -> None:
    text = netron.folder().joinpath("view.js").read_text()
    found = readers.registered()
    assert [reader.module for reader in found] == re.findall(r"this\.register\('\./([\w-]+)'", text)
    assert all(reader.endings for reader in found)
    assert sum(len(reader.signatures) for reader in found) >= 30
    assert {reader.module for reader in found} <= netron.module_names()


def test_a_netron_that_registers_otherwise_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    readers.registered.cache_clear()
    monkeypatch.setattr(readers, "_text", lambda _: "this.formats.add('./onnx');")
    with pytest.raises(ViewerError, match=r"registers its readers in another way than expected\. Run: pip install"):
        readers.registered()


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("Model.ONNX", tiny_onnx(), ["onnx"]),
        ("model.onnx", b"....RKNN", ["onnx", "tflite", "tensorrt", "rknn", "om"]),
        ("model.safetensors", bytes(9), ["safetensors"]),
        ("model.h5", HDF5, ["pytorch", "tflite", "keras"]),
        ("checkpoint", b"GGUF", ["gguf"]),
        ("unknown.extension", HDF5, ["keras"]),
        ("weights.data-00000-of-00001", b"", ["tf"]),
        ("graph.dot", b"# comment\ndigraph G {", ["dot"]),
        ("notes.md", b"# Notes", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_readers_are_those_that_netron_asks_in_its_order(name: str, data: bytes, found: list[str]) -> None:
    assert list(readers.readers_of(name, data)) == found


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\x1f\x8b", bytes(257) + b"ustar"], ids=["zip", "gzip", "tar"])
def test_an_archive_with_a_strange_name_may_hold_anything(head: bytes) -> None:
    assert readers.readers_of("model.nnp", head) == tuple(reader.module for reader in readers.registered())
    assert readers.readers_of("weights.safetensors", head)[0] == "safetensors"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_what_is_found_asks_for_nothing_else(sample: Sample) -> None:
    found = readers.texts_for(sample.name, sample.make())
    modules = {name for name in found if not name.endswith(".json")}
    links = r"from '\./([\w-]+)\.js'|import\('\./([\w-]+)\.js'\)|require\('\./([\w-]+)'\)"
    asked = {name for text in modules for match in re.findall(links, found[text].decode()) for name in match if name}
    assert asked & netron.module_names() <= modules | set(STRUCTURE_MODULES)
    assert sum(map(len, found.values())) <= readers.LARGEST


def test_bytes_on_which_a_signature_is_slow_are_told_soon() -> None:
    start = time.process_time()
    assert readers.readers_of("lines.onnx", b"\n" * 4096)[0] == "onnx"
    assert time.process_time() - start < 5


def test_a_small_onnx_file_needs_little() -> None:
    found = readers.texts_for("tiny.onnx", tiny_onnx())
    assert "python" not in found
    assert sum(map(len, found.values())) < 500_000
    assert b'"Relu"' in found["onnx-metadata.json"]
    assert len(found["onnx-metadata.json"]) < 200_000


@pytest.mark.browser
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_saved_page_of_it_is_drawn(
    sample: Sample, browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.webbrowser, "open", lambda _: False)
    tmp_path.joinpath(sample.name).write_bytes(sample.make())
    panel = open_file(tmp_path / sample.name)
    panel.save_html(tmp_path / "page.html")
    panel.close()
    context = browser.new_context(offline=True)
    requests: list[str] = []
    context.on("request", lambda request: requests.append(request.url))
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    graph = page.frame_locator("iframe.netron")
    box = graph.locator("svg g.node", has_text=sample.word).first
    box.wait_for(timeout=20000)
    width = box.evaluate("node => node.getBBox().width")
    context.close()
    assert width > 20
    assert [url for url in requests if url.startswith("http")] == []
