"""ONNX, TensorBoard, timm, PyTorch Hub, files of other frameworks, and one page."""

from __future__ import annotations

import pytest


@pytest.mark.slow
def test_use_it(run):
    ran = run("08-use-it")
    assert ran.printed('"digits.onnx", input_names').startswith("Agrees with PyTorch on 3 inputs")
    said = ran.printed("session.get_outputs()")
    assert "pixels ['batch', 1, 8, 8] tensor(float)" in said
    right = float(said.rpartition(" ")[2].rstrip("%\n"))
    assert right > 93
    careless = ran.printed("divided twice")
    assert float(careless.rpartition(" ")[2].rstrip("%\n")) < right - 10
    assert "Div" in ran.printed("node.op_type")
    assert "loss/val\n" in ran.printed("EventAccumulator")
    assert "'mean': (0.485, 0.456, 0.406)" in ran.printed("resolve_model_data_config")
    listed = [line.split()[1] for line in ran.printed("%netron").splitlines()]
    assert listed == ["FromPixels", "digits.onnx", "ConvNeXt", "lenet.prototxt", "keras-digits.json"]
    assert "Got: 16 Expected: 8" in ran.printed("refused at the door")
    for name, least in {"digits.onnx": 10_920, "digits.html": 250_000, "convnext.html": 250_000}.items():
        assert (ran.folder / name).stat().st_size > least
    assert list(ran.folder.glob("logs/events.out.tfevents.*"))
    assert (ran.folder / "digits-repository" / "digits.safetensors").stat().st_size > 10_920
