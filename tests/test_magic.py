"""``%netron``: how a line is read, what is called, and that errors are one line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from IPython.core.interactiveshell import InteractiveShell

from notebookviz import magic
from notebookviz.cells import Run
from notebookviz.errors import InputError
from notebookviz.table import count_text


class Calls(list):
    """What the magic asked of ``api``."""

    def show(self, *args, **options):
        self.append(("show", args, options))

    def open_file(self, *args, **options):
        self.append(("open_file", args, options))


@pytest.fixture
def calls(monkeypatch):
    record = Calls()
    monkeypatch.setattr(magic.api, "show", record.show)
    monkeypatch.setattr(magic.api, "open_file", record.open_file)
    return record


@pytest.fixture
def shell(calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    shell = InteractiveShell()
    magic.register(shell)
    shell.user_ns.update(model=object(), net=SimpleNamespace(model=1), x=7, y=8, nets={"a b": [3]}, make=lambda *a: a)
    return shell


def netron(shell, line):
    shell.find_line_magic("netron")(line)


def refused(shell, line):
    with pytest.raises(InputError) as caught:
        netron(shell, line)
    assert "\n" not in str(caught.value)
    assert caught.value.hint
    return str(caught.value)


def test_model(shell, calls):
    netron(shell, "model")
    assert calls == [("show", (shell.user_ns["model"],), {"input_size": None, "height": 600, "browser": None})]


@pytest.mark.parametrize(
    ("line", "args"),
    [
        ("net.model x", (1, 7)),
        ("net.model x y", (1, 7, 8)),
        ('nets["a b"][0] x', (3, 7)),
        ("nets['a b'][0]", (3,)),
        ("make(1, 2) make(x, y)", ((1, 2), (7, 8))),
        ("make(1, 2)", ((1, 2),)),
        ("net.model --input x --input make(1, 2)", (1, 7, (1, 2))),
        ("--input=x net.model", (1, 7)),
        ('net.model --input "make(2, 3)"', (1, (2, 3))),
        ("net.model --input='make(x, [3])' --input y", (1, (7, [3]), 8)),
        ("net.model x --input y", (1, 7, 8)),
        ("  net.model  ", (1,)),
        ("{'k': x}['k']", (7,)),
    ],
)
def test_model_and_inputs(shell, calls, line, args):
    netron(shell, line)
    assert [call[:2] for call in calls] == [("show", args)]


@pytest.mark.parametrize(
    "text", ["1,3,224,224", '"1, 3, 224, 224"', "1x3x224x224", "1×3×224×224", "(1, 3, 224, 224)", "make(1,3,224,224)"]
)
def test_input_size(shell, calls, text):
    netron(shell, f"model --input-size {text} --height 300 --browser")
    assert calls[0][2] == {"input_size": (1, 3, 224, 224), "height": 300, "browser": True}


def test_a_size_that_is_none(shell, calls):
    assert refused(shell, "model --input-size banana") == (
        "--input-size got 'banana'; it wants a size such as 1,3,224,224 or 1x3x224x224, or a Python expression that "
        "gives one. For example --input-size 1,3,224,224."
    )
    assert calls == []


def test_one_dimension(shell, calls):
    netron(shell, "model --input-size 5")
    assert calls[0][2]["input_size"] == (5,)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("m.onnx", "m.onnx"),
        ("my model.onnx", "my model.onnx"),
        ("my model.onnx", '"my model.onnx"'),
        ("it's mine.onnx", "it's mine.onnx"),
        ("$x {y}.onnx", "$x {y}.onnx"),
        ("-- .onnx", "'-- .onnx'"),
    ],
)
def test_file(shell, calls, tmp_path, name, line):
    (tmp_path / name).write_bytes(b"x")
    shell.run_line_magic("netron", line)
    assert calls == [("open_file", (name,), {"height": 600, "browser": None})]


def test_home(shell, calls, tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"x")
    netron(shell, "~/m.onnx")
    assert calls[0][:2] == ("open_file", ("~/m.onnx",))


def test_existing_file_wins_over_a_name_but_a_folder_does_not(shell, calls, tmp_path):
    (tmp_path / "x").mkdir()
    netron(shell, "x")
    (tmp_path / "y").write_bytes(b"x")
    netron(shell, "y")
    assert [call[:2] for call in calls] == [("show", (7,)), ("open_file", ("y",))]


@pytest.mark.parametrize("name", ["folder", "my folder", "x y"])
def test_a_folder_that_nothing_else_goes_by_is_left_to_loading(shell, calls, tmp_path, name):
    (tmp_path / name).mkdir()
    del shell.user_ns["x"]
    netron(shell, name)
    assert calls[0][:2] == ("open_file", (name,))


def test_quotes_force_a_path(shell, calls):
    netron(shell, "'model'")
    assert calls[0][:2] == ("open_file", ("model",))


def test_variable_that_holds_a_path(shell, calls, tmp_path):
    shell.user_ns["path"] = tmp_path / "m.onnx"
    netron(shell, "path")
    assert calls[0][:2] == ("open_file", (tmp_path / "m.onnx",))


@pytest.mark.parametrize("line", ["https://example.com/m.onnx", "no such/file.onnx", "~/no such.onnx"])
def test_what_only_a_path_can_be_is_left_to_loading(shell, calls, line):
    netron(shell, line)
    assert calls[0][:2] == ("open_file", (line,))


def test_onnx_proto(shell, calls):
    from onnx import ModelProto

    shell.user_ns["proto"] = ModelProto()
    netron(shell, "proto")
    assert calls[0][:2] == ("show", (shell.user_ns["proto"],))
    assert "is a file, not a module; it takes no input." in refused(shell, "proto x")


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("nothere", "'nothere' did not work: NameError: name 'nothere' is not defined."),
        ("1/0", "nor a Python expression that works (ZeroDivisionError: division by zero)."),
        ("no.onnx", "'no.onnx' is neither a file in "),
        ("model --input nothere", "'nothere' did not work: NameError"),
        ("model ]", "'model ]' is neither a file in "),
        (f"{'n' * 10_000} + 1", "NameError: name 'nnn"),
        ("model --height tall", "--height got 'tall'; it wants a whole number of pixels, at least 100."),
        ("model --height", "--height needs a value."),
        ("model --wide", "%netron does not know '--wide'; it knows --input, --input-size, --height, --browser"),
        ("model --browser=yes", "%netron does not know '--browser=yes'"),
        ("'m.onnx' --input x", "is a file, not a module; it takes no input. Leave the input away."),
    ],
)
def test_errors(shell, line, text):
    assert text in refused(shell, line)


def test_errors_are_one_line_in_the_shell(shell, capsys):
    result = shell.run_cell("%netron 1/0")
    assert isinstance(result.error_in_exec, InputError)
    printed = capsys.readouterr()
    assert len((printed.out + printed.err).strip().splitlines()) == 1


def test_help(shell, capsys):
    netron(shell, "--help")
    text = capsys.readouterr().out
    for word in ("--input EXPR", "--input-size", "--height", "--browser", "--stop", "list what is open"):
        assert word in text


class FakePanel:
    def __init__(self, title, thing, params=None, count=0):
        self.params, self.run = params, Run("cell", "1", count)
        self.title, self.thing, self.url, self.closed = title, thing, f"http://127.0.0.1/{title}", False

    @property
    def table(self):
        if self.params is None:
            raise InputError("A file has no table.")
        return SimpleNamespace(total_params=self.params)

    @property
    def recording(self):
        return SimpleNamespace(input_text="float32 (1, 3)")

    def shows(self, thing):
        return thing == self.thing

    def close(self):
        self.closed = True


@pytest.fixture
def panels(monkeypatch):
    panels = [FakePanel("one", 7, 1234, 12), FakePanel("two", "m.onnx")]
    monkeypatch.setattr(magic, "open_panels", lambda: [panel for panel in panels if not panel.closed])
    return panels


def test_list(shell, panels, capsys):
    netron(shell, "")
    one, two = capsys.readouterr().out.splitlines()
    assert one == f"1  one  {count_text(1234)} parameters  float32 (1, 3)  In [12]  http://127.0.0.1/one"
    assert two.split() == ["2", "two", "file", "http://127.0.0.1/two"]
    assert two.index("http") == one.index("http")


def test_stop_one(shell, panels, capsys):
    netron(shell, "--stop x")
    assert [panel.closed for panel in panels] == [True, False]
    netron(shell, "--stop 'm.onnx'")
    assert [panel.closed for panel in panels] == [True, True]
    assert "No open panel shows 'y'. %netron lists what is open." in refused(shell, "--stop y")


def test_stop_all_and_list_nothing(shell, panels, capsys):
    netron(shell, "--stop")
    netron(shell, "")
    assert capsys.readouterr().out.splitlines() == [
        "Closed 2 panels.",
        "Nothing is open. Try %netron MODEL or %netron FILE; see %netron --help.",
    ]
