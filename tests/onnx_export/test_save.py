"""Files: complete or not there at all."""

from __future__ import annotations

import dataclasses
import os
import resource
import threading

import onnx
import pytest
import torch
from torch import nn

from notebookviz.errors import ExportError
from notebookviz.onnx_export import ExportCancelledError, export, external_bytes, save, saving
from notebookviz.onnx_export.process import Failed
from tests.onnx_export.models import Swapped


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the old file")
    return path


def names(folder):
    return sorted(item.name for item in folder.iterdir())


def only_the_old_file(path):
    return path.read_bytes() == b"the old file" and names(path.parent) == [path.name]


def weights(path):
    model = onnx.load(str(path))
    return {item.name: torch.from_numpy(onnx.numpy_helper.to_array(item).copy()) for item in model.graph.initializer}


def test_the_file_holds_today_s_weights_byte_for_byte(resnet, tmp_path):
    model, result, _ = resnet
    with torch.no_grad():
        model.fc.weight.add_(1)
    saved = save(result, model, tmp_path / "r.onnx")
    onnx.checker.check_model(str(saved.path), full_check=True)
    found = weights(saved.path)
    assert all(torch.equal(found[key], model.state_dict()[name]) for key, name in result.live.items())
    assert saved.nbytes == saved.path.stat().st_size


def test_a_weight_of_the_graph_is_today_s(resnet):
    model, result, _ = resnet
    with torch.no_grad():
        model.fc.bias.fill_(3.0)
    assert bytes(external_bytes(result, model, "live/fc.bias")) == model.fc.bias.detach().numpy().tobytes()
    with pytest.raises(ExportError, match=r"^nothing is not a weight of this model. The model has changed"):
        external_bytes(result, model, "live/nothing")


def test_large_weights_go_into_a_file_beside_it(swapped, tmp_path):
    model, result = swapped
    path = tmp_path / "model.onnx"
    first = save(result, model, path, limit=100)
    assert first.data is not None
    onnx.checker.check_model(str(path))
    assert torch.equal(weights(path)["first.weight"], model.first.weight)
    second = save(result, model, path, limit=100, compare=True)
    assert names(tmp_path) == sorted([path.name, second.data.name])
    assert second.check.verdict == "agrees"
    third = save(result, model, path)
    assert (third.data, names(tmp_path)) == (None, [path.name])


@pytest.mark.parametrize("limit", [2_000_000_000, 100])
def test_a_full_disk_leaves_the_old_file(resnet, target, limit):
    model, result, _ = resnet
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(
            ExportError, match=r"could not be written: File too large. The file that was there is as it was"
        ):
            save(result, model, target, limit=limit)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert only_the_old_file(target)


def test_a_file_that_the_checker_refuses_is_not_put_in_place(swapped, target, monkeypatch):
    model, result = swapped

    def refuse(*_):
        raise Failed("a node is broken")

    monkeypatch.setattr(saving, "run_child", refuse)
    with pytest.raises(ExportError, match=r"^onnx's checker refuses the file: a node is broken"):
        save(result, model, target)
    assert only_the_old_file(target)


def test_the_checker_reads_what_was_written(swapped, target):
    model, result = swapped
    broken = onnx.ModelProto.FromString(result.graph_bytes)
    broken.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(ExportError, match=r"checker refuses the file: .*NoSuchOperator"):
        save(dataclasses.replace(result, graph_bytes=broken.SerializeToString()), model, target)
    assert only_the_old_file(target)


def test_cancelled_while_writing(swapped, target):
    model, result = swapped
    cancel = threading.Event()
    told = []

    def progress(stage, _):
        told.append(stage)
        if stage == "checking":
            cancel.set()

    with pytest.raises(ExportCancelledError, match=r"^The export was cancelled"):
        save(result, model, target, progress=progress, cancel=cancel)
    assert "checking" in told
    assert only_the_old_file(target)


def test_a_changed_model_is_not_saved(swapped, target):
    _, result = swapped
    other = Swapped()
    other.first = nn.Linear(4, 5)
    with pytest.raises(
        ExportError, match=r"^first.weight is float32 \(5, 4\) now; it was \(4, 4\) when the model was exported"
    ):
        save(result, other, target)
    del other.first
    with pytest.raises(ExportError, match=r"first.weight is gone; .*export it again"):
        save(result, other, target)
    assert only_the_old_file(target)


def test_weights_on_meta_are_not_saved(swapped, target):
    _, result = swapped
    with pytest.raises(ExportError, match=r"^first.weight is on the meta device: it has a shape but no values. Load"):
        save(result, Swapped().to("meta"), target)
    assert only_the_old_file(target)


def test_where_it_can_t_be_written(swapped, tmp_path):
    model, result = swapped
    with pytest.raises(ExportError, match=r"is a folder; a file is wanted. Try .*model.onnx"):
        save(result, model, tmp_path)
    with pytest.raises(ExportError, match=r"^The folder .*none does not exist. Make it first"):
        save(result, model, tmp_path / "none" / "m.onnx")
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ExportError, match=r"pipe.onnx is a device, not a file. Name a file."):
        save(result, model, tmp_path / "pipe.onnx")
    assert (tmp_path / "pipe.onnx").is_fifo()


def test_a_link_and_the_rights_stay(swapped, tmp_path):
    model, result = swapped
    real = tmp_path / "real.onnx"
    real.write_bytes(b"old")
    real.chmod(0o640)
    link = tmp_path / "link.onnx"
    link.symlink_to(real)
    save(result, model, link)
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert real.stat().st_size > 100


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_types(dtype, in_process, tmp_path):
    model = nn.Linear(3, 4).to(dtype)
    model.weight = nn.Parameter(torch.randn(3, 4, dtype=dtype).T)  # not contiguous
    saved = save(export(model, (torch.randn(1, 3, dtype=dtype),)), model, tmp_path / "m.onnx", compare=True)
    raw = next(item for item in onnx.load(str(saved.path)).graph.initializer if item.name == "weight").raw_data
    assert raw == model.weight.detach().contiguous().view(torch.uint8).numpy().tobytes()
    if dtype is torch.bfloat16:
        assert saved.check.verdict == "unknown"
        assert saved.check.sentence.startswith("Not compared with PyTorch: onnxruntime can't load the file: ")
    else:
        assert saved.check.verdict == "agrees"
