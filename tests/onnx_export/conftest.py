"""Exports that several tests share, and a way to run the child's work in the test process."""

from __future__ import annotations

import json

import pytest
import torch
import torchvision

from notebookviz.onnx_export import child, exporter, process, saving
from notebookviz.onnx_export import export as export_model
from notebookviz.onnx_export.failure import describe
from tests.onnx_export.models import Swapped


@pytest.fixture
def in_process(monkeypatch):
    """Do the child's work here: the same code without three seconds of imports."""

    def run(task, blobs, stages):
        stages.enter("starting")
        task = json.loads(json.dumps(task))
        try:
            return child.do(task, [bytes(blob) for blob in blobs], stages.enter)
        except BaseException as error:  # noqa: BLE001 - like the child, which tells its parent of anything
            raise process.Failed(**describe(error)) from None

    threads, fast = torch.get_num_threads(), torch.backends.mha.get_fastpath_enabled()
    monkeypatch.setattr(exporter, "run_child", run)
    monkeypatch.setattr(saving, "run_child", run)
    yield
    torch.set_num_threads(threads)
    torch.backends.mha.set_fastpath_enabled(fast)


@pytest.fixture(scope="session")
def resnet():
    """A ResNet-18 in train mode, and its export by the real child process."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18()
    stages = []
    return model, export_model(model, (torch.randn(1, 3, 64, 64),), progress=lambda *item: stages.append(item)), stages


@pytest.fixture(scope="session")
def swapped():
    """A small model and its export by the real child process."""
    torch.manual_seed(0)
    model = Swapped()
    return model, export_model(model, (torch.randn(1, 4),))
