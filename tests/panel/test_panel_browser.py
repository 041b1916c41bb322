"""The panel in a real browser without Jupyter: saved, served, and over the comm."""

import asyncio
import json
import queue
import re
import socket
import threading

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect
from torch import nn
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from notebookviz import api
from notebookviz.graph.encode import pack
from notebookviz.graph.records import Node, Recording
from notebookviz.serving import server as serving
from notebookviz.table import bytes_text
from notebookviz.viewer.static import Contents, static_html
from tests.panel.conftest import wait

pytestmark = pytest.mark.browser

# The process that exports gives way to all others.
LONG = pytest.mark.timeout(600)


def rows(page):
    return page.locator(".body .row .text").all_inner_texts()


def row(page, name):
    return page.locator(".body .row", has=page.locator(f'.text:text-is("{name}")')).first


def frame(page):
    return page.frame_locator("iframe.netron")


def status(page):
    return page.locator(".status .text")


def resize(page, width, height=700):
    """Give the window another size, and wait until the page has drawn in it."""
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("size => String([innerWidth, innerHeight]) === size", arg=f"{width},{height}")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


# Saved.


def test_a_saved_page_opens_closes_and_finds_without_any_request(tab, panel, tmp_path, drawn):
    panel.save_html(tmp_path / "small.html")
    requests = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.context.set_offline(True)
    tab.goto((tmp_path / "small.html").as_uri())
    drawn(tab)
    before = len(rows(tab))
    row(tab, "blocks").locator(".twist").click()
    expect(frame(tab).locator(".cluster")).to_have_count(0)
    assert len(rows(tab)) < before
    tab.get_by_role("searchbox", name="Find").fill("tanh")
    tab.keyboard.press("Enter")
    expect(tab.locator(".count")).to_have_text(re.compile(r"1/\d"))
    expect(tab.locator(".path [aria-current]")).to_have_text(re.compile("1|F.tanh|tanh", re.IGNORECASE))
    assert [url for url in requests if not url.startswith(("file:", "blob:", "data:", "about:"))] == []


def test_what_cannot_work_is_absent_in_a_saved_page(saved):
    assert saved.get_by_role("button", name="ONNX", exact=True).count() == 0
    assert saved.get_by_role("button", name=re.compile("edit")).count() == 0
    expect(status(saved)).to_have_text(re.compile("Saved view: values are not in this page"))
    assert status(saved).get_attribute("title") == status(saved).inner_text()
    resize(saved, 260)
    assert status(saved).evaluate("text => [text.scrollHeight - text.clientHeight, text.clientHeight > 20]") == [
        0,
        True,
    ]


def test_a_saved_page_holds_the_licence_and_is_small(panel, tmp_path):
    panel.save_html(tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text()
    assert "copyright (c) Lutz Roeder" in text
    assert "Permission is hereby granted, free of charge" in text
    assert len(text) < 400_000
    assert panel.served["token"] not in text


def test_hostile_names_are_text(tab, tmp_path, drawn):
    class Evil(nn.Module):
        def forward(self, x):
            return x.relu()

    name = "</script><img src=x onerror=alert(1)>"
    Evil.__name__ = name
    dialogs = []
    tab.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    panel = api.show(nn.Sequential(Evil()), torch.zeros(1), browser=False)
    panel.save_html(tmp_path / "evil.html")
    panel.close()
    tab.goto((tmp_path / "evil.html").as_uri())
    drawn(tab)
    assert row(tab, "0").count() == 1
    tab.get_by_role("searchbox", name="Find").fill("onerror")
    tab.keyboard.press("Enter")
    expect(tab.locator(".count")).to_have_text("1/1")
    assert tab.locator("img").count() == 0
    assert dialogs == []


# Table.


def test_the_table_is_a_treegrid_for_the_keyboard(saved):
    grid = saved.get_by_role("treegrid", name="Modules")
    grid.focus()
    saved.keyboard.press("Home")
    saved.keyboard.press("ArrowDown")
    active = saved.locator(".row.active")
    expect(active).to_have_attribute("aria-level", "2")
    assert grid.get_attribute("aria-activedescendant") == active.get_attribute("id")
    saved.keyboard.press("End")
    expect(active.locator(".text")).to_have_text(rows(saved)[-1])
    saved.keyboard.press("Home")
    expect(active).to_have_attribute("aria-level", "1")
    while active.locator(".text").inner_text() != "blocks":
        saved.keyboard.press("ArrowDown")
    shown = len(rows(saved))
    saved.keyboard.press("ArrowLeft")
    expect(active).to_have_attribute("aria-expanded", "false")
    assert len(rows(saved)) < shown
    saved.keyboard.press("ArrowRight")
    expect(active).to_have_attribute("aria-expanded", "true")
    assert len(rows(saved)) == shown
    saved.keyboard.press("/")
    expect(saved.get_by_role("searchbox", name="Find")).to_be_focused()


def test_a_row_selects_its_node_and_a_node_its_row(saved):
    row(saved, "first").click()
    expect(saved.locator(".row.selected .text")).to_have_text("first")
    expect(frame(saved).locator("g.node.select")).to_have_count(1)
    number = row(saved, "act").get_attribute("id").rpartition("-")[2]
    frame(saved).locator(f"g.node[data-id='{number}'] text").first.click()
    expect(saved.locator(".row.selected .text")).to_have_text("act")


def test_a_click_is_not_lost_while_the_table_is_drawn_again(saved):
    place = row(saved, "first").bounding_box()
    saved.mouse.move(place["x"] + 60, place["y"] + 10)
    saved.mouse.down()
    resize(saved, 960)
    saved.mouse.up()
    expect(saved.locator(".row.selected .text")).to_have_text("first")


def test_a_click_is_not_lost_while_its_row_changes(saved):
    place = row(saved, "first").bounding_box()
    saved.mouse.move(place["x"] + 60, place["y"] + 10)
    saved.mouse.down()
    saved.get_by_label("Colour").select_option("parameters")
    expect(row(saved, "first").locator(".painted")).to_have_count(1)
    saved.mouse.up()
    expect(saved.locator(".row.selected .text")).to_have_text("first")


def test_sorting_turns_and_ends(saved):
    header = saved.get_by_role("columnheader", name="params")
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    assert rows(saved)[1] == "blocks"
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    assert rows(saved)[-1] != "first"
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "none")
    assert rows(saved)[1] == "first"


def test_the_filter_keeps_what_encloses_a_match_and_says_when_there_is_none(saved):
    field = saved.get_by_role("searchbox", name="Filter modules")
    field.fill("tanh")
    assert rows(saved) == ["Small", "blocks", "2", "1"]
    field.fill("nothing of that kind")
    expect(saved.locator(".empty")).to_have_text("No module matches “nothing of that kind”.")
    field.fill("long " * 200)
    assert len(saved.locator(".empty").inner_text()) < 120
    field.press("Escape")
    assert "first" in rows(saved)


def test_the_totals_stand_below(saved, model):
    total = sum(parameter.numel() for parameter in model.parameters())
    cells = saved.locator(".foot .cell")
    titles = [cells.nth(index).get_attribute("title") for index in range(cells.count())]
    assert f"{total:,}" in titles
    texts = cells.all_inner_texts()
    assert f"{bytes_text(4 * total)} weights" in texts
    assert cells.evaluate_all("all => all.filter((cell) => cell.scrollWidth > cell.clientWidth).length") == 0


@pytest.mark.parametrize("width", [600, 1000])
def test_a_long_input_is_cut_before_its_edit_button(tab, drawn, width):
    class Many(nn.Module):
        def forward(self, *, alpha, beta, gamma, delta):
            return alpha + beta + gamma + delta

    names = ("alpha", "beta", "gamma", "delta")
    panel = api.show(Many(), kwargs={name: torch.zeros(1, 3, 224, 224) for name in names}, browser=False)
    try:
        tab.set_viewport_size({"width": width, "height": 700})
        tab.goto(panel.url)
        drawn(tab)
        facts = tab.locator(".header .fact").evaluate_all(
            "all => all.map(each => each.getBoundingClientRect().toJSON())"
        )
        edge = tab.locator(".header .facts").evaluate("each => each.getBoundingClientRect().right")
        assert all(fact["right"] <= edge for fact in facts)
        edit = tab.get_by_role("button", name="edit")
        box, bar = edit.bounding_box(), tab.locator(".header .facts").bounding_box()
        assert bar["x"] <= box["x"]
        assert box["x"] + box["width"] <= bar["x"] + bar["width"]
        assert abs((box["y"] + box["height"] / 2) - (bar["y"] + bar["height"] / 2)) < 4
        edit.click()
        form = tab.get_by_role("dialog", name="Input size")
        field, go = form.get_by_role("textbox").bounding_box(), form.get_by_role("button").bounding_box()
        assert field["x"] + field["width"] <= go["x"]
        assert go["x"] + go["width"] <= width
    finally:
        panel.close()


OVERLAPS = """() => {
  const inside = document.querySelector('.notebookviz').shadowRoot;
  const parts = [...inside.querySelectorAll('.toolbar .choice, .toolbar select, .toolbar .find')];
  const seen = parts.map(each => each.getBoundingClientRect()).filter(box => box.width > 0);
  const crossed = (one, two) =>
    one.left < two.right && two.left < one.right && one.top < two.bottom && two.top < one.bottom;
  return seen.filter((one, at) => seen.slice(0, at).some(two => crossed(one, two))).length;
}"""


def test_nothing_in_the_toolbar_overlaps(served):
    for width in range(420, 1001, 20):
        resize(served, width)
        assert served.evaluate(OVERLAPS) == 0, width


def test_columns_suit_the_width(saved):
    counts = []
    for width in (500, 1000, 1600, 2400):
        saved.set_viewport_size({"width": width, "height": 700})
        if width == 500:
            saved.get_by_role("button", name="Table", exact=True).click()
        resize(saved, width)
        counts.append(saved.get_by_role("columnheader").count())
        box = saved.locator(".grid").evaluate("grid => [grid.scrollWidth, grid.clientWidth]")
        assert box[0] <= box[1]
    assert counts[1] < counts[2] <= counts[3] == 8


CLIPPED = """names => {
  const rows = [...document.querySelector('.notebookviz').shadowRoot.querySelectorAll('.body .row')];
  const texts = rows.flatMap(row => [...row.querySelectorAll(names ? '.text' : '.cell:not(.name)')]);
  return texts.filter(each => each.scrollWidth > each.clientWidth).map(each => each.textContent);
}"""


@pytest.fixture(scope="module")
def deep_page(tmp_path_factory):
    """ResNet-18 with a deep block, and a pass that fails in its last layer."""
    from torchvision.models import resnet18

    model = resnet18()
    model.layer4[1].downsample = nn.Sequential(nn.Sequential(nn.Sequential(nn.Identity())))
    model.fc = nn.Linear(9, 9)
    panel = api.show(model, torch.zeros(1, 3, 224, 224), browser=False)
    path = tmp_path_factory.mktemp("deep") / "deep.html"
    panel.save_html(path)
    panel.close()
    return path.as_uri()


@pytest.mark.parametrize("width", [760, 950, 1600])
def test_columns_are_chosen_by_the_width_and_the_whole_model(tab, deep_page, drawn, width):
    tab.set_viewport_size({"width": width, "height": 900})
    tab.goto(deep_page)
    drawn(tab)
    before = tab.get_by_role("columnheader").all_inner_texts()
    row(tab, "layer4").locator(".twist").click()
    for text in ("downsample", ""):
        tab.get_by_role("searchbox", name="Filter modules").fill(text)
        resize(tab, width, 900)
        assert tab.get_by_role("columnheader").all_inner_texts() == before
    assert tab.evaluate(CLIPPED, False) == []
    if width >= 950:
        assert {"output", "params", "MACs"} <= set(before)
        assert tab.evaluate(CLIPPED, True) == []
    assert row(tab, "fc").locator(".cell.name").get_attribute("title") == "fc: failed"
    if width == 1600:
        assert row(tab, "conv1").locator(".cell", has_text="1×64×112×112").count() == 1
        assert row(tab, "layer4").locator(".cell").count() >= 5


def test_a_mark_without_room_is_a_sign_beside_the_whole_name(tab, deep_page, drawn):
    tab.set_viewport_size({"width": 760, "height": 900})
    tab.goto(deep_page)
    drawn(tab)
    for _ in range(9):
        tab.get_by_role("separator", name="Width of the module table").press("ArrowLeft")
    mark = row(tab, "ResNet").locator(".mark")
    expect(mark).to_have_text("…")
    assert mark.get_attribute("aria-label") == "not finished"
    assert "ResNet" not in tab.evaluate(CLIPPED, True)


def test_ten_thousand_rows_are_quick(tab, tmp_path, drawn):
    nodes = [Node(0, -1, "module", "Net", "Net", "")]
    for outer in range(100):
        parent = len(nodes)
        nodes.append(Node(parent, 0, "module", "Part", "Part", f"{outer}"))
        for inner in range(100):
            nodes.append(Node(len(nodes), parent, "module", "Identity", "Identity", f"{outer}.{inner}"))
    document = static_html(Contents({"kind": "structure", "name": "Net"}, pack(Recording(tuple(nodes)))))
    (tmp_path / "big.html").write_text(document.html)
    tab.goto((tmp_path / "big.html").as_uri())
    drawn(tab)
    grid = tab.get_by_role("treegrid", name="Modules")
    seconds = tab.evaluate(
        """async () => {
          const field = document.querySelector('.notebookviz').shadowRoot.querySelector('.filter');
          const began = performance.now();
          field.value = 'identity';
          field.dispatchEvent(new Event('input'));
          await new Promise(requestAnimationFrame);
          return (performance.now() - began) / 1000;
        }"""
    )
    assert int(grid.get_attribute("aria-rowcount")) == 10_103
    assert tab.locator(".body .row").count() < 100
    assert seconds < 5
    grid.focus()
    tab.keyboard.press("End")
    expect(tab.locator(".row.active .text")).to_have_text("99")
    expect(tab.locator(".row.active")).to_be_in_viewport()


# Widths, themes, help for those who need it.


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 700, 1100])
def test_axe_finds_nothing_serious(tab, panel, theme, width, drawn):
    tab.emulate_media(color_scheme=theme)
    tab.set_viewport_size({"width": width, "height": 700})
    tab.goto(panel.url)
    drawn(tab)
    if width < 720:
        tab.get_by_role("button", name="Table", exact=True).click()
    row(tab, "first").click()
    tab.get_by_role("searchbox", name="Find").fill("linear")
    found = Axe().run(tab, context={"exclude": [["iframe"]]}).response["violations"]
    serious = [item for item in found if item["impact"] in {"serious", "critical"}]
    assert [(item["id"], item["nodes"][0]["html"], item["nodes"][0]["failureSummary"]) for item in serious] == []


def test_below_720_the_table_is_a_tab_and_below_480_labels_go(served):
    served.set_viewport_size({"width": 700, "height": 600})
    expect(served.locator(".modules")).to_be_hidden()
    served.get_by_role("button", name="Table", exact=True).click()
    expect(served.locator(".modules")).to_be_visible()
    expect(served.locator(".stage")).to_be_hidden()
    resize(served, 400)
    assert served.locator(".root").evaluate("root => root.scrollWidth <= root.clientWidth")
    label = served.get_by_role("button", name="Full screen").locator(".label")
    assert label.evaluate("label => label.getBoundingClientRect().width") <= 1
    expect(served.get_by_role("combobox", name="Colour by")).to_be_visible()
    expect(served.locator(".colour[title='Colour nodes and rows'] svg")).to_be_visible()
    served.set_viewport_size({"width": 700, "height": 600})
    expect(served.locator(".colour svg")).to_be_hidden()
    expect(served.locator(".colour .label")).to_be_visible()


@pytest.mark.parametrize("width", [340, 460])
def test_the_input_can_be_edited_in_a_narrow_panel(served, panel, width):
    served.set_viewport_size({"width": width, "height": 600})
    served.get_by_role("button", name="edit input").click()
    form = served.get_by_role("dialog", name="Input size")
    box = form.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    field = form.get_by_role("textbox")
    field.fill("5x6")
    field.press("Enter")
    expect(form).to_have_count(0)
    wait(served, lambda: panel.recording.input_text.startswith("5×6"), "it is traced")


def test_the_theme_follows_jupyterlab_while_it_stands(tab, panel, mount):
    mount(tab, panel)
    root = tab.locator(".root")
    expect(root).to_have_attribute("data-theme", "light")
    tab.evaluate(
        "document.body.style.setProperty('--jp-layout-color1', '#101418');"
        "document.body.setAttribute('data-jp-theme-light', 'false')"
    )
    expect(root).to_have_attribute("data-theme", "dark")
    expect(frame(tab).locator("#target")).to_have_css("background-color", "rgb(16, 20, 24)")


def test_the_splitter_and_the_edge_move_by_mouse_and_keyboard(tab, panel, mount):
    mount(tab, panel)
    line = tab.get_by_role("separator", name="Width of the module table")
    before = tab.locator(".modules").bounding_box()["width"]
    line.focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".modules").bounding_box()["width"] > before
    box = line.bounding_box()
    tab.mouse.move(box["x"], box["y"] + 100)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 100, box["y"] + 100, steps=4)
    tab.mouse.up()
    assert tab.locator(".modules").bounding_box()["width"] > before + 90
    edge = tab.get_by_role("separator", name="Height of the panel")
    edge.focus()
    tab.keyboard.press("ArrowDown")
    assert tab.locator(".root").bounding_box()["height"] == 520
    wait(tab, lambda: panel.state.get("height") == 520, "the height is kept")


def test_full_screen_and_back(served):
    served.get_by_role("button", name="Full screen").click()
    leave = served.get_by_role("button", name="Leave full screen")
    leave.wait_for()
    served.keyboard.press("Escape")
    whole = served.get_by_role("button", name="Full screen", exact=True)
    whole.wait_for()
    whole.click()
    leave.click()
    whole.wait_for()


def test_no_key_leaves_the_panel_and_no_focus_is_taken(tab, panel, mount):
    mount(tab, panel)
    assert tab.evaluate("document.activeElement === document.body")
    tab.evaluate(
        """() => {
          window.heard = [];
          for (const name of ['keydown', 'keyup', 'keypress']) {
            document.addEventListener(name, event => window.heard.push(event.key));
          }
        }"""
    )
    tab.get_by_role("treegrid", name="Modules").focus()
    for key in ["a", "b", "x", "d", "d", "0", "0", "Enter", "ArrowDown"]:
        tab.keyboard.press(key)
    assert tab.evaluate("window.heard") == []
    assert tab.evaluate("Boolean(document.activeElement.closest('[data-lm-suppress-shortcuts]'))")


# Routes.


def test_the_served_page_says_nothing_and_reads_todays_weights(served, panel, model):
    assert served.locator(".root").get_attribute("data-route") == "socket"
    first = panel.methods["tensor"]({"name": "first.weight"})
    with torch.no_grad():
        model.first.weight += 1
    second = panel.methods["tensor"]({"name": "first.weight"})
    change = np.frombuffer(second.buffers[0], "<f4") - np.frombuffer(first.buffers[0], "<f4")
    assert change == pytest.approx(1, abs=1e-5)


def test_python_and_the_page_share_one_selection(served, panel):
    row(served, "first").click()
    wait(served, lambda: panel.selected is not None, "Python knows of the click")
    assert isinstance(panel.selected, nn.Linear)
    panel.select("blocks.1.down")
    expect(served.locator(".row.selected .text")).to_have_text("down")
    expect(served.locator(".path .step")).to_have_text(["Small", "blocks", "1", "down"])
    panel.collapse("blocks")
    wait(served, lambda: "down" not in rows(served), "the row is gone")


def test_a_page_loaded_again_is_as_it_was(served, panel, drawn):
    opened = len(panel.state["opened"])
    row(served, "blocks").locator(".twist").click()
    row(served, "act").click()
    wait(served, lambda: panel.state["selected"] is not None and len(panel.state["opened"]) < opened, "it is kept")
    before = rows(served)
    served.reload()
    drawn(served)
    assert rows(served) == before
    expect(served.locator(".row.selected .text").first).to_have_text("act")


def patience(milliseconds):
    """Makes the page give a route so long."""
    given = f"pause === 3000 ? {milliseconds} : pause"
    return f"setTimeout = (later => (then, pause, ...rest) => later(then, {given}, ...rest))(setTimeout)"


def hold(tab):
    """Keep back what the page says to the socket; returns what lets it go."""
    held, free = [], []

    def keep(route):
        server = route.connect_to_server()
        route.on_message(lambda message: server.send(message) if free else held.append((server, message)))

    def let_go():
        wait(tab, lambda: held, "the page asked")
        free.append(True)
        for server, message in held:
            server.send(message)

    tab.route_web_socket(re.compile("/socket$"), keep)
    return let_go


def test_a_kernel_that_answers_late_is_not_taken_for_gone(tab, panel, drawn):
    tab.add_init_script(patience(1))
    let_go = hold(tab)
    tab.goto(panel.url)
    drawn(tab)
    expect(tab.locator(".root")).to_have_attribute("data-route", "connecting")
    let_go()
    expect(tab.locator(".root")).to_have_attribute("data-route", "socket")
    row(tab, "first").click()
    wait(tab, lambda: panel.selected is not None, "the click arrived")


def test_until_a_late_kernel_answers_there_is_the_comm(tab, panel, mount):
    tab.add_init_script(patience(1))
    let_go = hold(tab)
    mount(tab, panel)
    expect(tab.locator(".root")).to_have_attribute("data-route", "comm")
    let_go()
    expect(tab.locator(".root")).to_have_attribute("data-route", "socket")
    tab.sockets_fail = True


def test_the_widget_takes_the_loopback_port_and_leaves_the_comm_alone(tab, panel, mount):
    tab.add_init_script(patience(600_000))
    mount(tab, panel)
    expect(tab.locator(".root")).to_have_attribute("data-route", "socket")
    asked = list(tab.asked)
    assert set(asked) <= {"views", "state"}  # which may come before there is a route
    row(tab, "first").click()
    wait(tab, lambda: panel.selected is not None, "the click arrived")
    assert tab.asked == asked


def test_where_the_port_is_blocked_the_comm_takes_over(tab, panel, mount):
    mount(tab, panel, port=closed_port())
    expect(tab.locator(".root")).to_have_attribute("data-route", "comm")
    row(tab, "first").click()
    wait(tab, lambda: panel.selected is not None, "the click arrived over the comm")
    assert "state" in tab.asked
    tab.evaluate("window.tell('notice', { text: 'The model has changed.', action: 'refresh' })")
    expect(status(tab)).to_have_text("The model has changed.")
    tab.get_by_role("button", name="Refresh").click()
    wait(tab, lambda: "refresh" in tab.asked, "Refresh was asked")
    tab.sockets_fail = True


class Impostor(WebSocketHandler):
    """Takes every socket and answers everything, but does not know the token."""

    def check_origin(self, origin):
        return True

    def on_message(self, message):
        self.write_message(json.dumps({"id": json.loads(message)["id"], "result": {"token": "guess"}, "error": None}))


@pytest.fixture
def impostor():
    loop = asyncio.new_event_loop()
    ports = queue.Queue()

    async def serve():
        ports.put(Application([(r"/.*", Impostor)]).listen(0, "127.0.0.1"))

    threading.Thread(target=lambda: (loop.run_until_complete(serve()), loop.run_forever()), daemon=True).start()
    web = ports.get(timeout=60)
    yield next(iter(web._sockets.values())).getsockname()[1]
    loop.call_soon_threadsafe(loop.stop)


def test_until_there_is_a_route_python_is_told_what_is_selected_over_the_comm(tab, panel, mount):
    tab.add_init_script(patience(600_000))
    mount(tab, panel, port=0)
    row(tab, "first").click()
    wait(tab, lambda: panel.selected is not None, "the click arrived")
    expect(tab.locator(".root")).to_have_attribute("data-route", "connecting")


def test_what_is_told_late_is_not_taken(panel):
    tell = panel.methods["state"]
    tell({"selected": 2, "teller": "a", "turn": 2})
    tell({"selected": 1, "teller": "a", "turn": 1})
    assert panel.state["selected"] == 2
    tell({"selected": 3, "teller": "b", "turn": 1})
    assert panel.state["selected"] == 3


def test_a_port_whose_server_does_not_know_the_token_does_not_count(tab, panel, mount, impostor):
    mount(tab, panel, port=impostor)
    expect(tab.locator(".root")).to_have_attribute("data-route", "comm")
    row(tab, "first").click()
    wait(tab, lambda: panel.selected is not None, "the click arrived over the comm")
    tab.sockets_fail = True


EARLY = """() => new Promise((resolve) => {
  window.addEventListener('message', ({ source, data }) => {
    if (data.notebookviz === 'hello') {
      window.early = source;
      window.hellos = (window.hellos ?? 0) + 1;
    }
  });
  window.beforeLook = async () => {
    while (!window.early) await new Promise(requestAnimationFrame);
  };
  const post = MessagePort.prototype.postMessage;
  MessagePort.prototype.postMessage = function (message, ...rest) {
    if (message?.type === 'open') {
      window.opens = (window.opens ?? 0) + 1;
    }
    return post.call(this, message, ...rest);
  };
  resolve();
})"""


def test_a_page_that_started_early_goes_on_in_the_panel(tab, panel, mount):
    tab.add_init_script(f"({EARLY})(); window.beforeRender = () => {{ window.opensBefore = window.opens; }};")
    mount(tab, panel, awaited=True)
    assert tab.evaluate("document.querySelectorAll('body > iframe').length") == 0
    assert tab.evaluate("hellos") == 1
    inside = "window.early === document.querySelector('.notebookviz').shadowRoot.querySelector('iframe').contentWindow"
    assert tab.evaluate(inside)
    expect(frame(tab).locator(".graph-node").first).to_be_visible()
    assert tab.evaluate("opens") == 1
    assert tab.evaluate("opensBefore") == 1, "it draws before there is a panel"
    tab.evaluate("window.dispose()")
    assert tab.evaluate("document.querySelectorAll('iframe').length") == 0


def test_a_page_that_started_early_is_told_what_changed_since(tab, panel, mount):
    first = next(node.index for node in panel.recording.nodes if node.path == "first")
    changed = f"(values) => {{ values.state = {{ ...values.state, selected: {first} }}; }}"
    tab.add_init_script(f"({EARLY})(); window.beforeRender = {changed};")
    mount(tab, panel, awaited=True)
    tab.wait_for_function("() => opens === 2")
    expect(frame(tab).locator("g.node.select")).to_have_attribute("data-id", str(first))


def test_where_a_browser_can_not_move_a_page_it_starts_again(tab, panel, mount):
    tab.add_init_script(f"if (window === top) {{ delete Element.prototype.moveBefore; ({EARLY})(); }}")
    mount(tab, panel, awaited=True)
    assert tab.evaluate("hellos") == 2
    expect(frame(tab).locator(".graph-node").first).to_be_visible()


def test_a_dropped_socket_comes_back_and_what_was_asked_meanwhile_is_answered(tab, panel, mount):
    mount(tab, panel)
    expect(tab.locator(".root")).to_have_attribute("data-route", "socket")
    server = serving.server()
    server._call(server._close, panel.served["id"])
    row(tab, "first").click()
    wait(tab, lambda: panel.selected is not None, "the click arrived")
    expect(tab.locator(".root")).to_have_attribute("data-route", "socket")


def test_a_busy_kernel_is_named_where_only_the_comm_is_left(tab, panel, mount):
    mount(tab, panel, port=closed_port())
    expect(tab.locator(".root")).to_have_attribute("data-route", "comm")
    tab.deaf = True
    tab.get_by_role("button", name="Look at the model again").click()
    expect(status(tab)).to_have_text(re.compile("Waiting for the kernel"))
    tab.sockets_fail = True


SHUT = "This panel was closed: run the cell again."


@pytest.mark.parametrize("route", ["socket", "comm"])
def test_a_closed_panel_says_so_and_asks_for_nothing_more(tab, panel, mount, route):
    mount(tab, panel, port=closed_port() if route == "comm" else None)
    expect(tab.locator(".root")).to_have_attribute("data-route", route)
    tab.sockets_fail = True
    sockets = []
    tab.on("websocket", lambda socket: sockets.append(socket.url))
    panel.close()
    if route == "comm":
        tab.evaluate("tell('closed', {})")
    expect(status(tab)).to_have_text(SHUT)
    asked = list(tab.asked)
    tab.wait_for_timeout(2500)  # past the first two times at which a lost socket is tried again
    frame(tab).locator("[data-id='1'] .node-argument", has_text="weight").first.click()
    expect(frame(tab).locator(".nbv-remark")).to_have_text(SHUT)
    assert (sockets, tab.asked) == ([], asked)


def test_a_closed_panel_that_is_loaded_again_stays_quiet(tab, panel, mount):
    panel.close()
    sockets = []
    tab.on("websocket", lambda socket: sockets.append(socket.url))
    mount(tab, panel)
    expect(status(tab)).to_have_text(SHUT)
    assert sockets == []


def test_a_closed_panel_in_a_plain_browser_says_so(served, panel):
    expect(served.locator(".root")).to_have_attribute("data-route", "socket")
    panel.close()
    expect(status(served)).to_have_text(SHUT)


def test_a_view_that_is_removed_says_so(tab, panel, mount):
    tab.add_init_script(patience(600_000))
    mount(tab, panel)
    wait(tab, lambda: tab.asked.count("views") == 1, "the first message came")
    tab.evaluate("window.dispose()")
    wait(tab, lambda: tab.asked.count("views") == 2, "the second message came")
    assert tab.locator(".root").count() == 0


# Refresh, input, export, files.


def test_another_input_size_is_traced_and_a_wrong_one_explained(served, panel):
    edit = served.get_by_role("button", name=re.compile("edit"))
    edit.click()
    field = served.get_by_role("textbox", name=re.compile("Input size"))
    field.fill("what")
    field.press("Enter")
    expect(served.locator(".said")).to_have_text("“what” is no size. Write it like 1×3×224×224.")
    field.fill("5x6")
    field.press("Enter")
    expect(served.locator(".fact.input")).to_have_text(re.compile("5×6"))
    assert panel.recording.input_text.startswith("5×6")


def test_a_new_input_keeps_the_selection_everywhere_and_offers_the_export_again(served, panel):
    row(served, "blocks").click()
    expect(served.locator(".path [aria-current]")).to_have_text("blocks")
    panel._event("job", {"state": "cancelled", "message": "The export was cancelled.", "seconds": 1})
    expect(status(served)).to_have_text("The export was cancelled.")
    served.get_by_role("button", name=re.compile("edit")).click()
    field = served.get_by_role("textbox", name=re.compile("Input size"))
    drawings = served.locator(".root").get_attribute("data-drawn")
    field.fill("5x6")
    field.press("Enter")
    expect(served.locator(".fact.input")).to_have_text(re.compile("5×6"))
    expect(status(served)).to_have_text(re.compile("ONNX: not exported"))
    expect(served.locator(".status").get_by_role("button", name="Export")).to_be_visible()
    expect(served.locator(".root")).not_to_have_attribute("data-drawn", drawings)
    index = next(node.index for node in panel.recording.nodes if node.path == "blocks")
    expect(frame(served).locator(".select[data-id]")).to_have_count(1)
    expect(frame(served).locator(f".select[data-id='{index}']")).to_have_count(1)
    expect(served.locator(".path [aria-current]")).to_have_text("blocks")
    assert row(served, "blocks").get_attribute("aria-selected") == "true"


def test_a_failed_forward_pass_is_told_in_lines_and_shown_in_the_middle(tab, drawn):
    body = nn.Sequential(*(nn.Linear(4, 4) for _ in range(12)))
    panel = api.show(nn.Sequential(body, nn.Sequential(nn.Linear(9, 2))), torch.zeros(1, 4), browser=False)
    tab.goto(panel.url)
    drawn(tab)
    said = status(tab).locator(".line")
    expect(said).to_have_text(
        [
            re.compile(r"The forward pass failed in 1\.0, at F\.linear: RuntimeError: .*1x4 and 9x2"),
            re.compile(r"test_panel_browser\.py, line \d+: panel = api\.show\(nn\.Sequential"),
            "Shapes that met: input 1×4, weight 2×9, bias 2 ",
            re.compile(r"Try: Linear 1\.0 takes 9 features and got 4: set in_features=4 there"),
        ]
    )
    failed = frame(tab).locator("g.node.nbv-failed")
    expect(failed).to_be_in_viewport(ratio=1)
    expect(tab.locator(".row.selected")).to_be_in_viewport(ratio=1)
    frame(tab).locator("#target").evaluate("target => target.scrollTo({ top: 0, behavior: 'instant' })")
    tab.get_by_role("button", name="Show", exact=True).click()
    expect(failed).to_be_in_viewport(ratio=1)
    expect(tab.locator(".row.selected .text")).to_have_text("0")
    expect(tab.locator(".row.selected .mark")).to_have_text(re.compile("failed|✕"))
    expect(frame(tab).locator("g.node.select.nbv-failed .nbv-caption")).to_contain_text("0 · failed")
    panel.close()


def test_the_html_page_is_downloaded(served, tmp_path):
    served.get_by_role("button", name="Save", exact=True).click()
    with served.expect_download() as download:
        served.get_by_role("menuitem", name="HTML page").click()
    assert download.value.suggested_filename == "Small.html"
    download.value.save_as(tmp_path / "b.html")
    assert (tmp_path / "b.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.slow
@LONG
def test_the_onnx_view_exports_follows_and_draws(served, panel):
    served.get_by_role("button", name="ONNX", exact=True).click()
    expect(served.locator(".cover .title")).to_have_text("Not exported yet.")
    expect(served.get_by_role("button", name="Export", exact=True)).to_have_count(1)  # not in the status line as well
    served.locator(".cover").get_by_role("button", name="Export").click()
    served.locator(".status").get_by_role("button", name="Cancel").wait_for()
    expect(frame(served).locator("text=Gemm").first).to_be_visible(timeout=240_000)
    expect(status(served)).to_have_text(re.compile(r"Exported by torch\.export in .* nodes, opset"))
    modules = served.get_by_role("button", name="Modules as functions: each opens by itself")
    modules.click()
    expect(frame(served).locator(".node", has_text="Sequential")).to_be_visible(timeout=240_000)
    expect(frame(served).locator("text=Gemm")).to_have_count(0)
    expect(modules).to_have_attribute("aria-pressed", "true")
    frame(served).locator(".node", has_text="Sequential").get_by_text("ƒ").click()
    expect(frame(served).locator(".node").get_by_text("ƒ")).to_have_count(3)
    modules.click()
    expect(frame(served).locator("text=Gemm").first).to_be_visible()
    served.get_by_role("button", name="Structure", exact=True).click()
    expect(frame(served).locator("g.node[data-id]").first).to_be_visible()


@pytest.mark.slow
@LONG
def test_an_export_that_fails_says_why_and_has_a_report(tab, drawn):
    class Loops(nn.Module):
        def forward(self, x):
            return torch.linalg.eig(x)[0].abs()

    panel = api.show(Loops(), torch.eye(3), browser=False)
    tab.goto(panel.url)
    drawn(tab)
    tab.get_by_role("button", name="Export").click()
    tab.locator(".cover").get_by_role("button", name="Try again").wait_for(timeout=240_000)
    tab.locator(".status").get_by_role("button", name="Report").click()
    expect(tab.locator(".report pre")).to_contain_text("eig")
    tab.keyboard.press("Escape")
    expect(tab.locator(".report")).to_have_count(0)
    panel.close()


class Branching(nn.Module):
    """torch.export refuses a branch on data; TorchScript takes the way that was run."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x) if float(x.sum()) > -1 else x


@LONG
def test_much_memory_is_asked_for_and_can_be_allowed_or_not(tab, drawn, monkeypatch):
    monkeypatch.setattr("notebookviz.onnx_export.exporter.ASK_ABOVE", 10)
    monkeypatch.setattr("notebookviz.onnx_export.exporter.needs_weights_bytes", lambda _: 3_200_000_000)
    panel = api.show(Branching(), torch.ones(1, 4), browser=False)
    tab.goto(panel.url)
    drawn(tab)
    tab.get_by_role("button", name="ONNX", exact=True).click()
    tab.get_by_role("button", name="Export", exact=True).last.click()
    cover = tab.locator(".cover")
    expect(cover.locator(".text")).to_have_text(
        "torch.export could not do it. The TorchScript exporter can be tried; it needs 3.2 GB of memory.",
        timeout=240_000,
    )
    assert cover.get_by_role("button").all_inner_texts() == ["Use 3.2 GB"]
    tab.get_by_role("button", name="Structure", exact=True).click()
    expect(status(tab)).to_have_text(re.compile(r"it needs 3\.2 GB of memory\.$"))
    tab.get_by_role("button", name="ONNX", exact=True).click()
    tab.get_by_role("button", name="Cancel", exact=True).click()
    expect(cover.locator(".title")).to_have_text("The export was cancelled.")
    cover.get_by_role("button", name="Export").click()
    cover.get_by_role("button", name="Use 3.2 GB").click(timeout=240_000)
    expect(status(tab)).to_contain_text("TorchScript", timeout=240_000)
    assert panel.status["job"]["state"] == "done"
    assert panel.status["job"]["question"] == ""
    panel.close()


def test_a_file_is_opened_and_saved(tab, tmp_path, drawn):
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("Relu", ["x"], ["y"])
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    onnx.save(helper.make_model(helper.make_graph([node], "tiny", value[:1], value[1:])), tmp_path / "tiny.onnx")
    panel = api.open_file(tmp_path / "tiny.onnx", browser=True)
    tab.goto(panel.url)
    drawn(tab)
    expect(frame(tab).locator("text=Relu").first).to_be_visible()
    panel.save_html(tmp_path / "tiny.html")
    panel.close()
    tab.goto((tmp_path / "tiny.html").as_uri())
    drawn(tab)
    expect(frame(tab).locator("text=Relu").first).to_be_visible()
