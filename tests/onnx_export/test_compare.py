"""The verdict: right is right, wrong is wrong, and unknown is said."""

from __future__ import annotations

import dataclasses
import sys

import onnx
import pytest
import torch
from torch import nn

from notebookviz.onnx_export import check, compare, export, save
from tests.onnx_export.models import Branches, FixedBatch, Logs, Random, Swapped

INPUT = (torch.randn(1, 4),)


@pytest.fixture
def file(swapped, tmp_path):
    model, result = swapped
    return save(result, model, tmp_path / "m.onnx").path


def planted(file, change):
    """The file with a mistake in it."""
    model = onnx.load(str(file))
    change(model.graph, {item.name: item for item in model.graph.initializer})
    return model.SerializeToString()


def test_a_true_export_agrees_in_the_real_child(swapped, file):
    model, _ = swapped
    check = compare(file, model, INPUT)
    assert check.verdict == "agrees"
    assert [row.trial for row in check.differences] == ["new input", "second new input", "batch of 3"]
    assert 0 <= check.absolute < 1e-4
    assert 0 <= check.relative < 1e-4
    assert check.sentence.startswith(
        "Agrees with PyTorch on 3 inputs (new input, second new input, batch of 3): largest"
    )
    assert check.notes == ()


def swap(graph, tensors):
    one, other = tensors["first.weight"], tensors["second.weight"]
    one.raw_data, other.raw_data = other.raw_data, one.raw_data


def nudge(graph, tensors):
    value = onnx.numpy_helper.to_array(tensors["second.bias"]) + 0.01
    tensors["second.bias"].raw_data = value.tobytes()


def cut(graph, tensors):
    next(item for item in graph.node if item.op_type == "Relu").op_type = "Abs"


def fix_batch(graph, tensors):
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    shape = onnx.helper.make_tensor("shape", 7, [2], [1, 4])
    graph.initializer.append(shape)
    graph.node[-1].output[0] = "before"
    graph.node.append(onnx.helper.make_node("Reshape", ["before", "shape"], [graph.output[0].name]))


@pytest.mark.parametrize("mistake", [swap, nudge, cut, fix_batch])
def test_a_planted_mistake_is_wrong(swapped, file, in_process, mistake):
    model, _ = swapped
    check = compare(planted(file, mistake), model, INPUT)
    assert check.verdict == "wrong"
    assert check.sentence.startswith("WRONG: not what PyTorch computes.")
    if mistake is fix_batch:
        assert "batch of 3" in check.sentence
        assert all(row.agrees for row in check.differences if row.trial != "batch of 3")
    else:
        assert check.relative > 1e-3
        worst = max(check.differences, key=lambda row: row.relative)
        assert f"differs by up to {worst.absolute:.2g} ({check.relative:.2g} relative)" in check.sentence
    if mistake is nudge:
        assert check.absolute == pytest.approx(0.01, rel=0.01)


def test_weights_in_the_wrong_place_are_found_on_saving(swapped, in_process, tmp_path):
    model, result = swapped
    live = {**result.live, "first.weight": "second.weight", "second.weight": "first.weight"}
    saved = save(dataclasses.replace(result, live=live), model, tmp_path / "m.onnx", compare=True)
    assert saved.check.verdict == "wrong"


def test_the_model_s_present_weights_count(swapped, file, in_process):
    model, _ = swapped
    other = Swapped()
    assert compare(file, model, INPUT).verdict == "agrees"
    assert compare(file, other, INPUT).verdict == "wrong"


def test_a_forward_that_draws_numbers_is_unknown(in_process, tmp_path):
    model = Random()
    saved = save(export(model, INPUT), model, tmp_path / "m.onnx", compare=True)
    assert (saved.check.verdict, saved.check.sentence) == (
        "unknown",
        "Not compared with PyTorch: forward gives another result each time it runs.",
    )


def test_a_fixed_batch_and_a_constant_output_are_said(in_process, tmp_path):
    model = FixedBatch()
    nn.init.zeros_(model.weight)
    saved = save(export(model, (torch.randn(1, 12),)), model, tmp_path / "m.onnx", compare=True)
    assert saved.check.notes == (
        "PyTorch gives the same output for different inputs, so the comparison says little.",
        "The batch size is fixed at 1, so no other was compared.",
    )


def test_no_onnxruntime_is_a_note(swapped, file, in_process, monkeypatch):
    model, _ = swapped
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    check = compare(file, model, INPUT)
    assert check.verdict == "unknown"
    assert check.sentence == (
        "Not compared with PyTorch. This needs onnxruntime, which is not installed. "
        "Run: pip install 'notebookviz[runtime]'"
    )


def test_the_files_and_models_stay_as_they_were(in_process, tmp_path):
    model = Swapped()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save(export(model, INPUT), model, tmp_path / "m.onnx", compare=True)
    assert model.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_an_export_is_checked_without_a_file(swapped, in_process):
    model, result = swapped
    assert check(result, model).check.verdict == "agrees"
    live = {**result.live, "first.bias": "second.bias", "second.bias": "first.bias"}
    assert check(dataclasses.replace(result, live=live), model).check.verdict == "wrong"
    assert result.check is None


def branching(floor, bias):
    torch.manual_seed(0)
    model = Branches()
    model.floor = floor
    nn.init.eye_(model.a.weight)
    nn.init.constant_(model.a.bias, bias)
    return model


def test_a_branch_that_tracing_fixed_is_uncertain(in_process, tmp_path):
    model = branching(-1e6, 0.0)  # no compared input takes the other branch
    result = export(model, INPUT)
    saved = save(result, model, tmp_path / "m.onnx", compare=True)
    assert saved.check.verdict == "uncertain"
    assert saved.check.sentence.startswith("Uncertain: agrees with PyTorch on 3 inputs")
    assert saved.check.sentence.endswith(
        "But in a place tracing fixed a branch or value that depends on the input, "
        "so other inputs may give another result."
    )
    assert (saved.exporter, saved.notes) == ("TorchScript", result.notes)
    assert result.frozen == result.notes[-1:]
    assert result.frozen[0].startswith("Converting a tensor to a Python number (`if y.sum().item() > self.floor:`, mod")
    assert result.frozen[0].endswith("the example's value was kept, whatever the input.")
    assert " by TorchScript in " in saved.sentence
    assert result.frozen[0] in saved.sentence
    assert saved.check.sentence in saved.sentence


def test_a_positive_spread_example_is_compared_negated_too(in_process, tmp_path):
    model = branching(0.0, 0.0)
    example = (torch.linspace(10.0, 10.5, 4)[None],)  # the plain new inputs stay near 10
    saved = save(export(model, example), model, tmp_path / "m.onnx", compare=True)
    assert [row.trial for row in saved.check.differences if not row.agrees] == ["second new input"]


def test_an_input_that_must_not_be_negated_is_not(in_process, tmp_path):
    model = Logs()
    example = (torch.rand(1, 4) * 0.1 + 5,)
    saved = save(export(model, example), model, tmp_path / "m.onnx", compare=True)
    assert saved.check.verdict == "agrees"

    def root(graph, _):
        next(item for item in graph.node if item.op_type == "Log").op_type = "Sqrt"

    check = compare(planted(saved.path, root), model, example)  # both have no number for a negative input
    assert "second new input" in [row.trial for row in check.differences if not row.agrees]


def test_the_parts_of_the_time(swapped, in_process, tmp_path):
    model, result = swapped
    saved = save(result, model, tmp_path / "m.onnx", compare=True)
    assert [name for name, _ in saved.parts] == ["export", "save", "compare"]
    assert saved.parts[0][1] == result.seconds
    assert saved.seconds >= sum(seconds for _, seconds in saved.parts) - 0.05
    assert f"in {saved.seconds:.1f} s (export {result.seconds:.1f} s, save " in saved.sentence
    assert saved.sentence.endswith(saved.check.sentence)
