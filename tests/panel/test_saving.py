"""What is seen, saved: pictures by the page, texts by Python."""

import base64
import gzip
import threading

import pydot
import pytest
from playwright.sync_api import expect
from torch import nn

from notebookviz import api, pictures, show
from notebookviz.errors import InputError, NotebookvizError
from notebookviz.pictures import Pictures
from tests.panel.conftest import wait


def chosen(page, label):
    """What the Save menu downloads: the file's name and its bytes."""
    page.get_by_role("button", name="Save", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("menuitem", name=label).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def seen(page, make):
    """What Python makes while the page goes on."""
    found = []

    def work():
        try:
            found.append(make())
        except NotebookvizError as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        page.wait_for_timeout(30)
    return found[0]


def pixel(page, picture, kind, x, y):
    """The colour of one point of a picture, as the browser paints it alone."""
    return page.evaluate(
        """async ([data, kind, x, y]) => {
            const image = new Image();
            image.src = `data:${kind};base64,${data}`;
            await image.decode();
            const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
            const context = canvas.getContext('2d');
            context.drawImage(image, 0, 0);
            return [...context.getImageData(x, y, 1, 1).data];
        }""",
        [base64.b64encode(picture).decode(), kind, x, y],
    )


@pytest.mark.browser
def test_the_menu_saves_what_is_seen(served, panel):
    before = panel.to_dot()
    seen(served, lambda: panel.collapse("blocks.1"))
    expect(served.locator(".root")).to_have_attribute("data-drawn", "2")
    assert chosen(served, "Table as CSV") == ("Small.csv", panel.table.to_csv().encode())
    name, text = chosen(served, "Graph as DOT")
    assert (name, text.decode()) == ("Small.dot", panel.to_dot())
    assert text.decode() != before
    (graph,) = pydot.graph_from_dot_data(text.decode())
    (blocks,) = graph.get_subgraphs()
    assert [item.get_label() for item in blocks.get_nodes()] == ['"Block\\n1"']
    assert [item.get_label() for item in blocks.get_subgraphs()] == ['"Block 0"', '"Sequential 2"']
    name, text = chosen(served, "Graph as Mermaid")
    assert (name, text.decode()) == ("Small.mmd", panel.to_mermaid())
    name, picture = chosen(served, "SVG picture")
    assert name == "Small.svg"
    assert picture.startswith(b"<svg")
    for word in (b"Linear", b"blocks", b"1.5px", b"--nbv-module-line"):
        assert word in picture
    assert b"var(--nbv-room" not in picture
    assert b"nbv-room" not in picture.partition(b"</style>")[2]
    name, picture = chosen(served, "PNG picture")
    assert (name, picture[:4]) == ("Small.png", b"\x89PNG")


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_python_saves_pictures_in_the_colours_of_the_page(served, panel, tmp_path, theme):
    served.emulate_media(color_scheme=theme)
    expect(served.locator(f".root[data-theme={theme}]")).to_be_visible()
    seen(served, lambda: panel.save_svg(tmp_path / "a.svg"))
    seen(served, lambda: panel.save_png(tmp_path / "a.png"))
    for suffix, kind in (("svg", "image/svg+xml"), ("png", "image/png")):
        red, green, blue, alpha = pixel(served, (tmp_path / f"a.{suffix}").read_bytes(), kind, 3, 3)
        assert alpha == 255
        assert max(red, green, blue) < 60 if theme == "dark" else min(red, green, blue) > 240


@pytest.mark.browser
def test_the_page_sends_its_picture_after_it_has_drawn(served, panel):
    wait(served, lambda: panel._pictures.last, "it came")
    first = panel._pictures.last
    assert first.startswith(b"<svg")
    seen(served, lambda: panel.collapse("blocks.0"))
    wait(served, lambda: panel._pictures.last.count(b"Linear") < first.count(b"Linear"), "the one without it came")


@pytest.mark.browser
def test_a_saved_page_begins_at_what_python_selected(tab, tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(api.webbrowser, "open", lambda _: False)
    panel = show(nn.Sequential(*(nn.Linear(number, number + 1) for number in range(1, 40))), input_size=(1, 1))
    panel.select("38")
    panel.save_html(tmp_path / "long.html")
    panel.close()
    tab.goto((tmp_path / "long.html").as_uri())
    drawn(tab)
    graph = tab.frame_locator("iframe.netron")
    expect(graph.locator("svg g.node.select")).to_contain_text("38")
    expect(graph.locator("svg g.node.select")).to_be_in_viewport()
    expect(graph.locator("svg g.node").first).not_to_be_in_viewport()


@pytest.mark.browser
def test_a_saved_page_saves_pictures_and_offers_nothing_that_needs_a_kernel(saved):
    saved.get_by_role("button", name="Save", exact=True).click()
    assert saved.get_by_role("menuitem").all_inner_texts() == ["SVG picture", "PNG picture"]
    saved.keyboard.press("Escape")
    name, picture = chosen(saved, "SVG picture")
    assert (name, picture[:4]) == ("Small.svg", b"<svg")


def test_without_a_page_there_is_no_picture(panel, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "PATIENCE", 0.05)
    with pytest.raises(NotebookvizError, match=r"^No page that draws this panel answered within 0.05 seconds.*\.url"):
        panel.save_png(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def packed(text):
    return base64.b64encode(gzip.compress(text, mtime=0)).decode()


@pytest.mark.parametrize("data", ["", "%", packed(b"<html>"), base64.b64encode(b"\x1f\x8b\x08\x00no").decode()])
def test_what_is_no_picture_is_refused(data):
    found = Pictures(lambda kind, number: found.take({"kind": kind, "number": number, "data": data}))
    with pytest.raises(NotebookvizError, match=r"^The page sent something that is no picture"):
        found.fetch("svg")
    assert found.last == b""


def test_the_pages_reason_is_told_and_the_last_picture_stands_in(monkeypatch):
    monkeypatch.setattr(pictures, "PATIENCE", 0.01)
    found = Pictures(lambda kind, number: found.take({"number": number, "error": "Nothing is drawn yet."}))
    with pytest.raises(NotebookvizError, match=r"^Nothing is drawn yet"):
        found.fetch("svg")
    silent = Pictures(lambda kind, number: None)
    silent.take({"kind": "svg", "data": packed(b"<svg/>")})
    assert silent.fetch("svg") == b"<svg/>"


@pytest.mark.browser
def test_small_weights_open_in_a_saved_page_and_large_ones_say_why_not(tab, panel, model, tmp_path, drawn):
    biases = sum(tensor.numel() * 4 for tensor in model.parameters() if tensor.dim() == 1)
    panel.save_html(tmp_path / "plain.html")
    panel.save_html(tmp_path / "a.html", weights=biases)
    wanted = f"{model.first.bias[0].item():.4f}"[:5]
    panel.close()
    tab.goto((tmp_path / "a.html").as_uri())
    drawn(tab)
    expect(tab.locator(".status .text")).to_contain_text("of 7 tensors the values are in this page")
    frame = tab.frame_locator("iframe.netron")
    frame.locator("g.node-argument", has_text="bias").first.click()
    item = frame.locator(".sidebar-item", has=frame.locator("input[value=value]"))
    item.locator(".sidebar-item-value-expander").click()
    expect(frame.locator("#sidebar")).to_contain_text(wanted)
    frame.locator("g.node-argument", has_text="weight").first.click()
    expect(frame.locator("#sidebar")).to_contain_text("Values are not saved in this page")
    sizes = [(tmp_path / name).stat().st_size for name in ("plain.html", "a.html")]
    assert 0 < sizes[1] - sizes[0] < 7 * 400


@pytest.mark.parametrize("weights", [-1, 1.5, "1 MB", True])
def test_weights_is_a_number_of_bytes(panel, tmp_path, weights):
    with pytest.raises(InputError, match=r"^weights is .*; it is a number of bytes\. For example weights=1_000_000\."):
        panel.save_html(tmp_path / "a.html", weights=weights)
