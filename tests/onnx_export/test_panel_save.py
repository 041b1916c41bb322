"""``panel.save_onnx``: its options, its refusals, and the warning of a file that is wrong."""

from __future__ import annotations

import inspect
import warnings

import onnx
import onnxruntime
import pytest
import torch

from notebookviz import InputError, api, show
from notebookviz.errors import ExportError
from notebookviz.onnx_export import OnnxWarning, exporter, process
from tests.onnx_export.models import Branches

OPTIONS = ("opset", "input_names", "output_names", "dynamic_shapes", "dynamic_batch", "confirm", "compare", "functions")


@pytest.fixture
def panel(in_process, monkeypatch):
    monkeypatch.setattr(api.webbrowser, "open", lambda _: True)
    panel = show(torch.nn.Linear(4, 2), torch.randn(1, 4))
    yield panel
    panel.close()


@pytest.fixture
def no_child(monkeypatch):
    def run(*_):
        raise process.Failed("The export was started.")

    monkeypatch.setattr(exporter, "run_child", run)


def test_the_options_arrive(panel, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", OnnxWarning)
        saved = panel.save_onnx(
            tmp_path / "m.onnx", opset=20, input_names=["a"], output_names=["b"], dynamic_batch=False, compare=False
        )
    assert saved.check is None
    assert [name for name, _ in saved.parts] == ["export", "save"]
    session = onnxruntime.InferenceSession(str(saved.path))
    assert [(item.name, item.shape) for item in session.get_inputs()] == [("a", [1, 4])]
    assert [item.name for item in session.get_outputs()] == ["b"]
    assert panel.save_onnx(tmp_path / "m.onnx").check.verdict == "agrees"
    assert not onnx.load(saved.path).functions
    assert panel.status["job"]["message"].startswith(f"Saved {saved.path} (0.0 MB) by torch.export in ")


def test_functions_from_python_and_from_the_page(in_process, monkeypatch, tmp_path):
    monkeypatch.setattr(api.webbrowser, "open", lambda _: True)
    panel = show(torch.nn.Sequential(torch.nn.Linear(4, 2)), torch.randn(1, 4))
    saved = panel.save_onnx(tmp_path / "m.onnx", functions=True)
    assert saved.check.verdict == "agrees"
    assert [item.name for item in onnx.load(saved.path).functions] == ["0.Linear"]
    panel._methods["export"]({"path": str(tmp_path / "page.onnx"), "functions": True})
    panel._job.wait()
    assert [item.name for item in onnx.load(tmp_path / "page.onnx").functions] == ["0.Linear"]
    panel.close()


def test_help_lists_the_options():
    from notebookviz.panel import Panel

    named = inspect.signature(Panel.save_onnx).parameters
    assert tuple(named)[2:-1] == OPTIONS
    assert all(f"    {name}: " in Panel.save_onnx.__doc__ for name in OPTIONS)


def test_an_unknown_option(panel, no_child, tmp_path):
    with pytest.raises(InputError) as caught:
        panel.save_onnx(tmp_path / "m.onnx", bogus=1)
    assert str(caught.value) == (
        "save_onnx() got bogus=; its options are opset=, input_names=, output_names=, dynamic_shapes=, "
        "dynamic_batch=, confirm=, compare=, functions=. See help(panel.save_onnx)."
    )


def test_where_no_file_can_be_is_refused_before_the_export(panel, no_child, tmp_path):
    with pytest.raises(ExportError, match=r"^The folder .*none does not exist\. Make it first\.$"):
        panel.save_onnx(tmp_path / "none" / "m.onnx")
    with pytest.raises(ExportError, match=r"is a folder; a file is wanted\. Try .*model\.onnx"):
        panel.save_onnx(tmp_path)
    with pytest.raises(ExportError, match="The export was started"):
        panel.save_onnx(tmp_path / "m.onnx")


@pytest.mark.parametrize("opset", [3, 8, 1000, "20", True])
def test_an_impossible_opset_names_the_range(panel, no_child, tmp_path, opset):
    with pytest.raises(InputError, match=rf"^opset={opset!r} is not possible; it wants a whole number from 9 to 2\d\."):
        panel.save_onnx(tmp_path / "m.onnx", opset=opset)


@pytest.mark.parametrize(("floor", "verdict"), [(0.0, "wrong"), (-1e6, "uncertain")])
def test_a_wrong_file_is_warned_of_at_the_cell_s_line(in_process, monkeypatch, tmp_path, floor, verdict):
    monkeypatch.setattr(api.webbrowser, "open", lambda _: True)
    model = Branches()
    model.floor = floor
    torch.nn.init.eye_(model.a.weight)
    torch.nn.init.zeros_(model.a.bias)
    panel = show(model, torch.linspace(10.0, 10.5, 4)[None])
    with pytest.warns(OnnxWarning) as caught:
        saved = panel.save_onnx(tmp_path / "m.onnx")
    panel.close()
    assert saved.check.verdict == verdict
    assert [str(item.message) for item in caught] == [f"{saved.path}: {saved.check.sentence}"]
    assert caught[0].filename == __file__
