"""The panel's life in a real kernel, without a browser: displays, letting go, messages."""

import base64
import gzip
import json
import re
import time
from contextlib import suppress
from queue import Empty

import pytest
from jupyter_client.manager import start_new_kernel

WIDGET = "application/vnd.jupyter.widget-view+json"
SCRIPT = "application/javascript"
PICTURE = base64.b64encode(b"<svg>drawn</svg>").decode()
DRAWN = (
    f"panel._pictures.take(dict(kind='svg', data={base64.b64encode(gzip.compress(b'<svg>drawn</svg>')).decode()!r}))"
)
SETUP = """
import gc, torch, weakref
from torch import nn
from notebookviz import show
import notebookviz.outputs
from notebookviz.cells import _listeners
from notebookviz.panel import open_panels
notebookviz.outputs.PATIENCE = 1000
models = weakref.WeakSet()
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
        models.add(self)
    def forward(self, x):
        return self.fc(x)
"""


class Kernel:
    def __init__(self):
        self.manager, self.client = start_new_kernel(startup_timeout=180)

    def run(self, code, cell="cell-1"):
        """Run a cell as JupyterLab does, with its id; returns outputs and stream text."""
        self.heard = []
        session = self.client.session
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.client.shell_channel.send(message)
        displays, text = [], ""
        while True:
            found = self.client.get_iopub_msg(timeout=120)
            if found["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            kind, content = found["msg_type"], found["content"]
            self.heard.append((kind, content))
            if kind in {"display_data", "execute_result"}:
                displays.append(content["data"])
            elif kind == "stream":
                text += content["text"]
            elif kind == "error":
                text += "\n".join(content["traceback"])
            elif kind == "status" and content["execution_state"] == "idle":
                return displays, re.sub(r"\x1b\[[0-9;]*m", "", text)

    def updates(self):
        """What took the place of outputs while the last cell ran."""
        found = [content for kind, content in self.heard if kind == "update_display_data"]
        assert all(content["transient"]["display_id"].startswith("notebookviz-") for content in found)
        return [content["data"] for content in found]

    def value(self, expression):
        _, text = self.run(f"import json as _j; print(_j.dumps({expression}))", cell="asking")
        return json.loads(text.strip().splitlines()[-1])

    def ask(self, comm, method, **params):
        """Ask a panel over its comm, as its view does; returns the answer."""
        content = {
            "comm_id": comm,
            "data": {"method": "custom", "content": {"id": 7, "method": method, "params": params}},
        }
        self.client.shell_channel.send(self.client.session.msg("comm_msg", content))
        while True:
            found = self.client.get_iopub_msg(timeout=120)
            data = found["content"].get("data", {})
            if found["msg_type"] == "comm_msg" and data.get("content", {}).get("id") == 7:
                return data["content"], found["buffers"]


@pytest.fixture(scope="module")
def running():
    kernel = Kernel()
    yield kernel
    kernel.client.stop_channels()
    kernel.manager.shutdown_kernel(now=True)


@pytest.fixture
def kernel(running):
    running.run(SETUP, cell="setup")
    with suppress(Empty):
        while True:
            running.client.get_iopub_msg(timeout=0.05)
    return running


def until(condition):
    """What the kernel answers, once it is true."""
    end = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < end, "The kernel never said so."
    return found


def alive(kernel):
    return kernel.value("(gc.collect(), len(models))[1]")


@pytest.mark.parametrize("code", ["show(Net())", "panel = show(Net()); 1 + 1;", "for _ in range(1):\n    show(Net())"])
def test_show_displays_once_wherever_it_stands(kernel, code):
    displays, text = kernel.run(code, cell=f"once {code}")
    assert len([data for data in displays if WIDGET in data]) == 1, text


def test_the_front_end_hears_of_the_panel_before_the_model_is_looked_at(kernel):
    kernel.run("show(Net());", cell="early")
    kinds = [(kind, content.get("data", {})) for kind, content in kernel.heard]
    opened = next(at for at, (kind, data) in enumerate(kinds) if kind == "comm_open" and "awaited" in data["state"])
    graph = next(at for at, (kind, data) in enumerate(kinds) if kind == "comm_msg" and "awaited" in data["state"])
    shown = next(at for at, (kind, _) in enumerate(kinds) if kind == "display_data")
    assert opened < graph < shown
    assert kinds[opened][1]["state"]["awaited"] is True
    assert kinds[graph][1]["state"]["awaited"] is False


@pytest.mark.parametrize("code", ["show(nn.Linear(4, 2), [[1.0, 2.0]])", "show(None)", "show(nn.ReLU(), depth=0)"])
def test_a_show_that_is_refused_leaves_no_panel(kernel, code):
    displays, text = kernel.run(code, cell="refused")
    assert "InputError" in text
    assert displays == []
    panels = {
        data["comm_id"] for kind, data in kernel.heard if kind == "comm_open" and "subject" in data["data"]["state"]
    }
    assert panels == {data["comm_id"] for kind, data in kernel.heard if kind == "comm_close"}


def test_where_nobody_looks_a_table_without_scripts_and_a_script_stand_beside_the_widget(kernel):
    ((widget, table, script), _) = kernel.run("show(Net());", cell=None)
    assert list(widget) == [WIDGET]
    assert set(table) == {"text/plain", "text/html"}
    assert "Net" in table["text/plain"]
    assert "<table" in table["text/html"]
    assert "<script" not in table["text/html"].lower()
    assert list(script) == [SCRIPT]
    assert "copyright (c) Lutz Roeder" in script[SCRIPT]


def test_in_a_front_end_nothing_is_typeset_until_the_page_has_drawn(kernel):
    ((_, table, script), _) = kernel.run("panel = show(Net());", cell="waiting")
    assert set(table) == {"text/plain", SCRIPT}
    assert "Net" in table["text/plain"]
    assert re.fullmatch(r'element\.dataset\.notebookvizPicture = "\w+";', table[SCRIPT])
    assert re.fullmatch(r'element\.dataset\.notebookvizPage = "\w+";', script[SCRIPT])
    kernel.run(DRAWN)
    script, table = kernel.updates()
    assert PICTURE in table["text/html"]
    assert "<table" in table["text/html"]
    assert "copyright (c) Lutz Roeder" in script[SCRIPT]
    ((_, again, _), _) = kernel.run("panel", cell="again")
    assert PICTURE in again["text/html"]


def test_a_panel_that_no_page_draws_leaves_its_table_and_script_all_the_same(kernel):
    kernel.run("import time; notebookviz.outputs.PATIENCE = 0.1")
    kernel.run("panel = show(Net())", cell="unseen")
    kernel.run("notebookviz.outputs.PATIENCE = 1000")

    def stands():
        ((_, table, script), _) = kernel.run("panel", cell=f"again {time.monotonic()}")
        return "text/html" in table and (table, script)

    table, script = until(stands)
    assert "<table" in table["text/html"], "it stood before anything was drawn"
    assert "copyright (c) Lutz Roeder" in script[SCRIPT]


def test_the_page_s_picture_takes_its_place_in_the_output(kernel):
    ((_, table, _), _) = kernel.run("panel = show(Net());", cell=None)
    for count in (1, 0):  # the same picture again changes nothing
        kernel.run(DRAWN)
        found = kernel.updates()
        assert len(found) == count
        for each in found:
            assert PICTURE in each["text/html"]
            assert table["text/html"].partition("\n")[2] in each["text/html"]


def test_what_python_opens_selects_and_colours_is_kept_for_when_there_is_no_kernel(kernel):
    ((_, _, script), _) = kernel.run("panel = show(Net())\npanel.select('fc')", cell=None)
    assert '"selected": null' in script[SCRIPT]

    def renewed():
        found = [content for kind, content in kernel.heard if kind == "update_display_data"]
        assert all(content["transient"]["display_id"].endswith("-page") for content in found)
        return [content["data"][SCRIPT] for content in found]

    (selected,) = renewed()
    assert '"selected": 1' in selected
    kernel.run("panel.overlay('mine', {'fc': 3})", cell="later")
    (coloured,) = renewed()
    assert '"name": "mine"' in coloured
    kernel.run("1 + 1", cell="other")
    assert renewed() == []


def test_a_panel_shown_again_in_another_cell_is_the_same_widget(kernel):
    first, _ = kernel.run("panel = show(Net())\npanel", cell="a")
    second, _ = kernel.run("panel", cell="b")
    assert len(first) == len(second) == 3
    assert first[0][WIDGET] == second[0][WIDGET]


@pytest.mark.parametrize("cell", ["cell-x", ""])
def test_twenty_runs_of_a_cell_hold_one_model(kernel, cell):
    for _ in range(20):
        kernel.run("show(Net())", cell=cell)
    assert alive(kernel) <= 1 + 1  # the last, and one that IPython's own _ may keep
    kernel.run("show(nn.ReLU(), input_size=(1, 2))", cell=cell or "other")
    kernel.run("None")


def test_the_model_of_a_cell_that_ran_again_is_gone_although_out_holds_the_panel(kernel):
    kernel.run("show(Net())", cell="again")
    kernel.run("kept = list(_listeners)", cell="keep")
    assert alive(kernel) >= 1
    kernel.run("show(nn.ReLU(), input_size=(1, 2))", cell="again")
    assert alive(kernel) == 0


def test_two_cells_with_one_text_are_two_cells(kernel):
    kernel.run("show(Net())", cell="left")
    kernel.run("show(Net())", cell="right")
    assert alive(kernel) >= 2


def test_close_lets_go_and_nothing_is_answered_any_more(kernel):
    ((data, *_), _) = kernel.run("model = Net(); panel = show(model)")
    comm = data[WIDGET]["model_id"]
    assert kernel.ask(comm, "tensor", name="fc.weight")[0]["result"]["shape"] == [2, 4]
    kernel.run("panel.close()", cell="close")
    answer, buffers = kernel.ask(comm, "tensor", name="fc.weight")
    assert answer["error"] == {"what": "This panel was closed.", "hint": "Run the cell again."}
    assert buffers == []
    kernel.ask(comm, "views", count=1)
    kernel.run("del model", cell="del")
    assert alive(kernel) == 0
    assert kernel.value("panel.url") == ""
    assert kernel.value("panel.status") == {"closed": True}


def test_a_view_that_is_gone_for_long_lets_go_and_one_that_comes_back_does_not(kernel):
    kernel.run("import notebookviz.panel as _p; _p.GRACE = 0.3")
    ((data, *_), _) = kernel.run("show(Net());", cell="views")
    comm = data[WIDGET]["model_id"]
    kernel.ask(comm, "views", count=1)
    shut = f"next(each for each in open_panels() if each.model_id == {comm!r}).methods['views']"
    kernel.run(f"views = {shut}; views(dict(count=0)); views(dict(count=1))", cell="reloaded")
    kernel.run("import time; time.sleep(0.6)", cell="wait")
    assert alive(kernel) == 1
    kernel.run("del views", cell="del")
    kernel.ask(comm, "views", count=0)
    until(lambda: alive(kernel) == 0)
    kernel.run("_p.GRACE = 20.0")


def test_a_changed_model_is_noticed_once_and_refresh_shows_it(kernel):
    kernel.run("model = Net(); panel = show(model)", cell="stale")
    assert "notice" not in kernel.value("panel.status")
    kernel.run("model.fc.weight.data += 1", cell="train")
    assert "notice" not in kernel.value("panel.status")
    kernel.run("model.fc = nn.Linear(4, 9)", cell="change")
    assert kernel.value("panel.status")["notice"] == {"text": "The model has changed.", "action": "refresh"}
    kernel.run("panel.refresh()", cell="refresh")
    assert "notice" not in kernel.value("panel.status")
    assert kernel.value("panel.table.total_params") == 45


def test_the_comm_answers_as_the_socket_does(kernel):
    ((data, *_), _) = kernel.run("model = Net(); panel = show(model)", cell="comm")
    comm = data[WIDGET]["model_id"]
    assert kernel.ask(comm, "hello", token="x")[0]["result"] == {"token": "x"}  # noqa: S106
    kernel.ask(comm, "state", opened=[0], selected=1, evil="no")
    assert kernel.value("panel.state") == {"opened": [0], "selected": 1}
    assert kernel.value("type(panel.selected).__name__") == "Linear"
    kernel.ask(comm, "state", selected=None, inside=1)
    assert kernel.value("panel.selected is model.fc"), "it fills the canvas"
    kernel.ask(comm, "state", selected=0, inside=1)
    assert kernel.value("panel.selected is model"), "the selection outranks what fills the canvas"
    kernel.ask(comm, "state", selected=None, inside=0)
    assert kernel.value("panel.selected is None")
    answer, _ = kernel.ask(comm, "module", name="../../etc/passwd")
    assert answer["error"]["what"]


def test_an_interrupted_cell_leaves_the_panel_alive(kernel):
    ((data, *_), _) = kernel.run("model = Net(); panel = show(model)", cell="int")
    session = kernel.client.session
    code = "import time; print('SLEEPS', flush=True); time.sleep(60)"  # IPython swallows what interrupts it before
    request = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    kernel.client.shell_channel.send(session.msg("execute_request", request))
    while "SLEEPS" not in kernel.client.get_iopub_msg(timeout=120)["content"].get("text", ""):
        pass
    kernel.manager.interrupt_kernel()
    assert kernel.ask(data[WIDGET]["model_id"], "tensor", name="fc.bias")[0]["error"] is None
    assert "200" in kernel.run("import urllib.request as u; print(u.urlopen(panel.url).status)", cell="url")[1]


def test_one_interrupt_ends_a_training_whose_data_hangs(kernel):
    kernel.run(
        """
import time
from torch.utils.data import DataLoader, Dataset
from notebookviz import fine_tune
class Hangs(Dataset):
    def __len__(self):
        return 16
    def __getitem__(self, at):
        if at == 15:
            print("HANGS", flush=True)
            time.sleep(3600)
        return torch.zeros(4), at % 2
classifier = nn.Linear(4, 2)
""",
        cell="hangs",
    )
    session = kernel.client.session
    code = "training = fine_tune(classifier, DataLoader(Hangs(), 4), epochs=1)"
    request = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    kernel.client.shell_channel.send(session.msg("execute_request", request))
    while "HANGS" not in kernel.client.get_iopub_msg(timeout=120)["content"].get("text", ""):
        pass
    kernel.manager.interrupt_kernel()
    assert (
        kernel.value("training.stopped")
        == "Stopped after step 3, in epoch 1 of 1. Batch 4 of train_loader did not come."
    )


def test_a_file_too_large_for_a_notebook_is_said_to_be(kernel, tmp_path):
    (tmp_path / "large.npy").write_bytes(bytes(3 << 20))
    code = f"from notebookviz.api import open_file\nopen_file({str(tmp_path / 'large.npy')!r});"
    displays, text = kernel.run(code, cell=None)
    assert "keeps files of up to 2 MB; run the cell to open this one." in displays[1]["text/html"], text
    assert all(len(data.get(SCRIPT, "")) < 100 for data in displays)


def test_what_all_panels_share_is_written_again_once_the_first_is_gone(kernel):
    standing = {}

    def run(cell, code=f"panel = show(Net()); {DRAWN}"):
        kernel.run(code, cell=cell)
        for kind, content in kernel.heard:
            if kind == "update_display_data" and content["transient"]["display_id"].endswith("-page"):
                standing[content["transient"]["display_id"]] = len(content["data"][SCRIPT]) > 200_000
        kernel.run("print([each.key for each in open_panels()])", cell="keys")
        keys = next(content["text"] for kind, content in kernel.heard if kind == "stream")
        return [whole for name, whole in standing.items() if name.split("-")[1] in keys]

    kernel.run("from notebookviz.panel import open_panels\nfor each in open_panels():\n    each.close()", cell="none")
    assert run("one") == [True]
    assert run("two") == [True, False]
    assert run("one") == [True, False], "the second panel's output has it as soon as the first's is gone"
    assert run("close", "open_panels()[0].close()") == [True]
