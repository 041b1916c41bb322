"""The public functions, outside a notebook."""

import gc
import os
import subprocess
import sys
import time
import urllib.request

import pytest
import torch
from torch import nn

import notebookviz
from notebookviz import InputError, LoadingError, NotebookvizError, api, open_file, show, summary
from notebookviz.panel import open_panels
from notebookviz.serving import server as serving


@pytest.fixture(autouse=True)
def no_browser(monkeypatch):
    opened = []
    monkeypatch.setattr(api.webbrowser, "open", lambda url: bool(opened.append(url)))
    yield opened
    for panel in open_panels():
        panel.close()


def small():
    return nn.Sequential(nn.Linear(4, 3), nn.Sequential(nn.ReLU(), nn.Linear(3, 2)))


def test_importing_loads_nothing_heavy_and_is_quick():
    code = """
import sys, time
began = time.process_time()
import notebookviz
seconds = time.process_time() - began
heavy = {'torch', 'onnx', 'tornado', 'matplotlib', 'anywidget', 'ipywidgets', 'numpy'} & set(sys.modules)
print(seconds, sorted(heavy))
"""
    runs = []
    for _ in range(3):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        seconds, _, heavy = out.strip().partition(" ")
        assert heavy == "[]"
        runs.append(float(seconds))
    assert min(runs) < 0.05


def test_public_names_are_there():
    assert sorted(notebookviz.__all__) == dir(notebookviz)
    assert all(getattr(notebookviz, name) is not None for name in notebookviz.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'shwo'"):
        notebookviz.shwo  # noqa: B018


def test_show_prints_one_line_and_serves(capsys, no_browser):
    panel = show(small(), input_size=(1, 4))
    assert capsys.readouterr().out == f"Sequential: open {panel.url}\n"
    assert no_browser == [panel.url]
    assert b"<!DOCTYPE html>" in urllib.request.urlopen(panel.url, timeout=60).read()  # noqa: S310
    panel.close()
    assert panel.url == ""


def test_summary_is_the_panels_table():
    model = small()
    table = summary(model, torch.zeros(1, 4))
    assert str(table) == str(show(model, torch.zeros(1, 4)).table)
    assert table.total_params == 23


def test_the_panel_opens_selects_and_finds_modules():
    model = small()
    panel = show(model, torch.zeros(1, 4), depth=1)
    assert panel.state["opened"] == [0]
    panel.select(model[1][1])
    assert panel.selected is model[1][1]
    index = panel.recording.nodes[panel.state["selected"]].parent
    assert index in panel.state["opened"]
    panel.collapse("1")
    assert panel.state["opened"] == [0]
    panel.expand("1")
    assert panel.state["opened"] == [0, index]
    panel.select(None)
    assert panel.selected is None


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: show(None), r"Expected a torch\.nn\.Module, got None\. Pass the model itself"),
        (lambda: show(small(), (1, 4)), r"Did you mean .*input_size=\(1, 4\)"),
        (lambda: show(small(), depth=0), r"depth is 0; it is a number of levels, at least 1"),
        (lambda: show(small(), height="tall"), r"height is 'tall'; it is a number of pixels"),
        (lambda: show(small(), mode="test"), r'mode= got .*test.*Pass mode="eval"'),
        (lambda: show(small()).select("2"), r"No module has the path '2'\. Did you mean '0', '1', '1\.0'\?"),
        (lambda: show(small()).select(nn.ReLU()), r"ReLU is not a module of this Sequential"),
    ],
)
def test_what_is_wrong_is_said_with_the_next_step(call, text):
    with pytest.raises(InputError, match=text):
        call()


def test_a_socket_can_not_allow_an_origin():
    panel = show(small(), torch.zeros(1, 4))
    assert "origin" not in panel.methods
    panel._on_message(panel, {"id": 1, "method": "origin", "params": {"origin": "https://hub.example.org"}}, [])
    assert serving.server().origins.origin_allowed("https://hub.example.org")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(LoadingError):
        open_file(tmp_path / "none.onnx")


def test_a_file_has_no_table_and_its_folder_is_all_that_is_read(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"\x08\x07")
    panel = open_file(tmp_path / "a.onnx")
    with pytest.raises(InputError, match="is a file: it has no recording and no module table"):
        panel.table  # noqa: B018
    with pytest.raises(LoadingError):
        panel.methods["external"]({"name": "../secret"})
    assert panel.shows(str(tmp_path / "a.onnx"))


def test_a_notebook_keeps_what_netron_can_read_and_not_too_much_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(api, "KEPT", 20)
    sentences = {
        "a.onnx": "It is drawn here where scripts run; in a notebook, trust it or run the cell.",
        "b.onnx": "A notebook keeps files of up to 0 MB; run the cell to open this one.",
        "c.strange": "Neither its name nor its first bytes are those of a format that Netron reads.",
    }
    for name, sentence in sentences.items():
        data = b"\x08\x07" * (11 if name == "b.onnx" else 1)
        (tmp_path / name).write_bytes(data)
        panel = open_file(tmp_path / name)
        assert panel._parts.fallback(panel) == ("", f"{name}, {len(data)} bytes. {sentence}")
        assert bool(panel._parts.script(panel)) == (name == "a.onnx")
    with pytest.raises(NotebookvizError, match=r"^c\.strange can't be drawn\. Neither its name nor"):
        panel.save_html(tmp_path / "c.html")
    panel.close()


def test_an_onnx_proto_is_shown():
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    proto = helper.make_model(helper.make_graph([], "tiny", [value], [value]))
    panel = show(proto)
    answer = panel.methods["file"]({})
    assert answer.result == {"name": "tiny.onnx"}
    assert answer.buffers[0] == proto.SerializeToString()


def test_save_html_replaces_a_file_whole_or_not_at_all(tmp_path, monkeypatch):
    panel = show(small(), torch.zeros(1, 4))
    target = tmp_path / "a.html"
    target.write_text("old")
    with pytest.raises(InputError, match=r"The folder .*nowhere' does not exist\. Create it first"):
        panel.save_html(tmp_path / "nowhere" / "a.html")
    os.mkfifo(tmp_path / "pipe.html")
    with pytest.raises(InputError, match=r"pipe.html' is a device, not a file\. Name a file\."):
        panel.save_html(tmp_path / "pipe.html")
    assert (tmp_path / "pipe.html").is_fifo()
    (tmp_path / "link.html").symlink_to(target)
    panel.save_html(tmp_path / "link.html")
    assert (tmp_path / "link.html").is_symlink()
    assert target.read_bytes() != b"old"
    for name in ("pipe.html", "link.html"):
        (tmp_path / name).unlink()
    target.write_text("old")

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("notebookviz.files.os.fdopen", full)
        with pytest.raises(InputError, match=r"can't be written: No space left on device"):
            panel.save_html(target)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]
    panel.save_html(target)
    assert target.read_text().startswith("<!DOCTYPE html>")


def test_no_garbage_is_collected_meanwhile_but_afterwards_again():
    seen = []

    class Watching(nn.Linear):
        def forward(self, x):
            seen.append(gc.isenabled())
            return super().forward(x)

    show(Watching(4, 2), torch.zeros(1, 4))
    with pytest.raises(InputError):
        show(Watching(4, 2), "no tensor")
    assert seen[0] is False
    assert set(seen) == {False}
    assert gc.isenabled()


def test_without_any_port_the_table_is_printed(monkeypatch, capsys):
    def refuse():
        raise OSError("no sockets here")

    monkeypatch.setattr(serving, "server", refuse)
    panel = show(small(), torch.zeros(1, 4))
    out = capsys.readouterr()
    assert panel.url == ""
    assert "Sequential" in out.out
    assert "Linear" in out.out
    assert "no local port could be opened (no sockets here)" in out.err


def test_a_process_ends_although_a_panel_is_open():
    code = "import torch; from notebookviz import show; show(torch.nn.ReLU(), torch.zeros(1)); print('last')"
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "BROWSER": "true"},
        check=True,
    )
    assert done.stdout.endswith("last\n")
    assert done.stderr == ""
    assert time.monotonic() - began < 120


def test_the_server_is_the_processes_own():
    assert show(small(), torch.zeros(1, 4)).served["token"] == serving.server().token


def test_the_saved_page_of_resnet50_is_below_400_kilobytes(tmp_path):
    from torchvision.models import resnet50

    show(resnet50()).save_html(tmp_path / "a.html")
    assert (tmp_path / "a.html").stat().st_size < 400_000
