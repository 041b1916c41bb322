"""The installed Netron: version check, names, metadata, and each member of it that the page uses."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from notebookviz.errors import ViewerError
from notebookviz.viewer import netron
from notebookviz.viewer.page import page_html
from tests.graph import samples

if TYPE_CHECKING:
    from tests.viewer.harness.driver import Harness


@pytest.mark.parametrize("version", ["9.2.9", "9.4.0", "10.0.0", "8.1"])
def test_an_unsupported_version_is_one_sentence(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(netron.importlib.metadata, "version", lambda _: version)
    with pytest.raises(ViewerError) as caught:
        netron.version()
    expected = (
        f"netron {version} is installed; notebookviz draws with netron>=9.3,<9.4. Run: pip install 'netron>=9.3,<9.4'"
    )
    assert str(caught.value) == expected


@pytest.mark.parametrize("version", ["9.3", "9.3.0", "9.3.3", "9.3.12"])
def test_a_supported_version_is_taken(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(netron.importlib.metadata, "version", lambda _: version)
    assert netron.version() == version


def test_an_absent_netron_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise netron.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(netron.importlib.metadata, "version", absent)
    with pytest.raises(ViewerError, match=r"netron is not installed; notebookviz draws with .* Run: pip"):
        netron.version()


def test_netron_is_never_imported() -> None:
    page_html()
    assert "netron" not in sys.modules


@pytest.mark.parametrize("name", ["../onnx", "/etc/passwd", "onnx.py", "", "..", "browser", "view/..", "index", "ONNX"])
def test_only_its_own_modules_are_given(name: str) -> None:
    with pytest.raises(ViewerError, match="has no module"):
        netron.module_text(name)


@pytest.mark.parametrize("name", ["../onnx-metadata.json", "-metadata.json", "onnx.js", "nothing-metadata.json", ""])
def test_only_its_own_metadata_is_given(name: str) -> None:
    with pytest.raises(ViewerError, match="has no metadata file"):
        netron.metadata_subset(name, ["Relu"])


def test_metadata_is_cut_to_the_operators() -> None:
    whole = netron.metadata_subset("onnx-metadata.json", [])
    cut = netron.metadata_subset("onnx-metadata.json", ["Relu", "Nothing"])
    assert {item["name"] for item in json.loads(cut)} == {"Relu"}
    assert len(cut) < len(whole) / 100


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"\x22\x04Relu2\x00", {"Relu"}),
        (b"..Conv\x00Softmax", {"Conv", "Softmax"}),
        (b"If\xffLeakyReluB\x01", {"If", "Relu", "LeakyRelu"}),
        (b"", set()),
    ],
)
def test_metadata_is_cut_to_what_a_file_may_name(data: bytes, names: set[str]) -> None:
    cut = netron.metadata_within("onnx-metadata.json", data)
    assert {item["name"] for item in json.loads(cut)} == names
    small = netron.metadata_within("tflite-metadata.json", data)
    assert small == netron.metadata_subset("tflite-metadata.json", [])


def test_licence() -> None:
    assert "MIT" in netron.licence_text()


MEMBERS = """async () => {
    const [view, grapher, base] = await Promise.all(['view', 'grapher', 'base'].map((name) => notebookvizImport(name)));
    const missing = [];
    const has = (object, names, where) => names.split(' ').forEach((name) => {
        if (!(name in object)) missing.push(`${where}.${name}`);
    });
    has(view.View.prototype, 'start open show refresh render export find toggle options model target activeTarget '
        + 'pushTarget popTarget showNodeProperties showTensorProperties showModelProperties showDefinition '
        + 'zoomIn zoomOut resetZoom about _reload _timeout', 'View');
    has(grapher, 'Graph Node Edge Argument', 'grapher');
    has(grapher.Graph.prototype, 'build measure update setNode setParent node nodes edges', 'grapher.Graph');
    has(grapher.Node.prototype, 'build list select deselect', 'grapher.Node');
    has(grapher.Argument.prototype, 'build', 'grapher.Argument');
    has(grapher.Edge.prototype, 'build', 'grapher.Edge');
    has(base.BinaryStream.prototype, 'peek read seek length position', 'base.BinaryStream');
    return missing;
}"""

DRAWN = """() => {
    const ids = ['target', 'canvas', 'origin', 'sidebar', 'sidebar-title', 'sidebar-content', 'sidebar-closebutton',
        'menu', 'menu-button', 'clusters', 'edge-paths', 'edge-paths-hit-test', 'edge-labels', 'nodes', 'background'];
    return ids.filter((id) => !document.getElementById(id));
}"""


@pytest.mark.browser
def test_every_member_that_the_page_uses_is_there(harness: Harness) -> None:
    harness.show(samples.residual())
    assert harness.frame.evaluate(MEMBERS) == []
    assert harness.frame.evaluate(DRAWN) == []


@pytest.mark.browser
def test_every_module_of_netron_can_be_loaded_in_the_page(harness: Harness) -> None:
    names = sorted(netron.module_names() - {"dagre"})
    failed = harness.frame.evaluate(
        """async (names) => {
            const failed = [];
            for (const name of names) {
                await notebookvizImport(name).catch((error) => failed.push(`${name}: ${error.message}`));
            }
            return failed;
        }""",
        names,
    )
    assert failed == []
