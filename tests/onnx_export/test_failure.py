"""A failed export: one sentence with the place, the whole report kept, TorchScript second."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from notebookviz.errors import ExportError
from notebookviz.onnx_export import compare, export, exporter, needs_weights_bytes, save
from tests.onnx_export.models import Decides, Stops, Unsupported, UsesGenerator, WrongWidth


def test_torchscript_comes_second_and_is_said(in_process, tmp_path):
    torch.manual_seed(0)
    model = Decides()
    with torch.no_grad():
        model.fc.bias.fill_(5.0)
    result = export(model, (torch.ones(1, 4),))
    assert result.exporter == "TorchScript"
    said = result.notes[0]
    assert said.startswith(
        "torch.export could not do it, so TorchScript was used. The export failed in gate (Gate): "
        "forward decides on the values of a tensor, which a graph can't do (`if x.sum() > 0:`, models.py:"
    )
    assert result.live == {"fc.weight": "fc.weight", "fc.bias": "fc.bias"}
    assert len(result.graph_bytes) < 2_000
    saved = save(result, model, tmp_path / "m.onnx")
    with torch.no_grad():
        model.fc.bias.fill_(-50.0)  # the other way through the gate
    assert compare(saved.path, model, (torch.ones(1, 4),)).verdict == "wrong"


def test_a_shape_bug_names_the_layer(in_process):
    with pytest.raises(ExportError) as caught:
        export(WrongWidth(), (torch.ones(1, 4),))
    assert str(caught.value).startswith("The export failed in blocks.1 (Linear): RuntimeError: a and b must have same")
    assert "models.py" in str(caught.value)
    assert "The TorchScript exporter failed too." in str(caught.value)
    assert caught.value.where == "blocks.1"
    assert caught.value.report.count("Traceback") >= 2


def test_an_operator_without_onnx_names_operator_and_layer(in_process):
    with pytest.raises(ExportError) as caught:
        export(Unsupported(), (torch.randn(2, 4, 4),))
    assert str(caught.value).startswith(
        "The export failed in middle.0 (Factor): torch.onnx has no ONNX counterpart for the operator aten.linalg_qr"
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_quantised_layers_are_named(in_process):
    model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 2)), {nn.Linear})
    with pytest.raises(ExportError, match="the model holds quantised layers, whose packed weights"):
        export(model, (torch.ones(1, 4),))


def test_what_could_not_travel_is_named(in_process):
    with pytest.raises(
        ExportError, match=r"forward uses a builtins.generator .*which can't be carried into the export process"
    ):
        export(UsesGenerator(), (torch.ones(1, 4),))


def test_a_forward_that_exits(in_process):
    with pytest.raises(ExportError, match=r"failed in Stops: forward ended the program \(SystemExit: 3\)"):
        export(Stops(), (torch.ones(1, 4),))


def test_the_weights_are_not_taken_above_the_limit_unasked(in_process, monkeypatch):
    monkeypatch.setattr(exporter, "ASK_ABOVE", 10)
    model = Decides()
    asked = []
    with pytest.raises(ExportError, match=r"The TorchScript exporter was not tried: it needs 0.0 GB of memory"):
        export(model, (torch.ones(1, 4),))
    with pytest.raises(ExportError, match=r"was not tried"):
        export(model, (torch.ones(1, 4),), confirm=asked.append)
    assert asked == [needs_weights_bytes(model)] == [160]
    assert export(model, (torch.ones(1, 4),), confirm=lambda _: True).exporter == "TorchScript"


def test_an_old_opset_is_left_to_torchscript(in_process):
    result = export(nn.Linear(3, 2), (torch.ones(1, 3),), opset=17)
    assert (result.exporter, result.opset) == ("TorchScript", 17)
    assert "torch.export writes opset 18 or newer, and 17 was asked for" in result.notes[0]


def test_a_torchscript_module_goes_to_its_own_exporter(in_process, tmp_path):
    model = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    result = export(model, (torch.randn(1, 4),))
    assert result.exporter == "TorchScript"
    assert result.live == {"0.weight": "0.weight", "0.bias": "0.bias"}
    assert save(result, model, tmp_path / "m.onnx", compare=True).check.verdict == "agrees"
