"""The real child process: cancel, memory, death, the kernel's own speed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from notebookviz.errors import ExportError
from notebookviz.onnx_export import ExportCancelledError, export, process
from notebookviz.onnx_export.child import NICE
from tests.onnx_export.models import Slow

LINUX = sys.platform.startswith("linux")


def children():
    """Process ids of this process's children."""
    found = []
    for item in Path("/proc").iterdir():
        if item.name.isdigit():
            try:
                stat = (item / "stat").read_text()
            except OSError:
                continue
            state, parent = stat.rpartition(")")[2].split()[:2]
            if int(parent) == os.getpid() and state != "Z":
                found.append(int(item.name))
    return found


@pytest.mark.skipif(not LINUX, reason="reads /proc")
@pytest.mark.parametrize("when", ["starting", "tracing"])
def test_cancel_frees_the_cpu_long_before_the_export_would_end(when):
    cancel, at = threading.Event(), []

    def progress(stage, _):
        if stage == when and not at:
            at.append(time.monotonic())
            cancel.set()

    before = set(children())
    with pytest.raises(ExportCancelledError, match=r"^The export was cancelled.$"):
        export(Slow(), (torch.zeros(1),), progress=progress, cancel=cancel)
    assert time.monotonic() - at[0] < 20
    assert set(children()) <= before


@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_the_child_is_polite_and_dies_with_its_parent():
    """It runs at low priority, in its own group, on one thread, and ends when the kernel is gone."""
    code = """
        import os, threading, torch, sys
        from notebookviz.onnx_export import export
        sys.path.insert(0, {tests!r})
        from tests.onnx_export.models import Slow
        def progress(stage, seconds):
            if stage == "tracing":
                from tests.onnx_export.test_process import children
                print(*children(), flush=True)
                os.kill(os.getpid(), 9)
        export(Slow(), (torch.zeros(1),), progress=progress)
    """
    code = textwrap.dedent(code).format(tests=str(Path(__file__).parents[2]))
    kernel = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False)
    (child,) = map(int, kernel.stdout.split())
    end = time.monotonic() + 30
    with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        while True:
            assert time.monotonic() < end, "it outlives its parent"
            stat = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            assert int(stat[16]) == min(os.nice(0) + NICE, 19)
            assert int(stat[2]) == child  # process group
            time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_a_child_that_dies_is_reported():
    from notebookviz.onnx_export import exporter

    parcel = exporter.Parcel(torch.nn.Identity(), ((torch.zeros(1),), {}, None))
    task = {**exporter.carried(parcel), "task": "export", "default_dtype": "no_such_type"}
    with pytest.raises(process.Failed, match=r"no_such_type") as caught:
        process.run_child(task, [parcel.pickled, parcel.values], process.Stages(None, None))
    assert "Traceback" in caught.value.report
    failed = process._died(-9, "")
    assert failed.what == "The export process was killed, most likely because the machine ran out of memory."
    assert process._died(-11, "one\nFatal error").what == "The export process ended early (exit code -11). Fatal error"


@pytest.mark.timeout(600)
@pytest.mark.skipif(not LINUX, reason="reads /proc")
def test_memory_of_the_kernel_does_not_grow_with_the_weights():
    """500 MB of weights: the peak grows by less than a tenth of that, over a small export before."""
    code = """
        import resource, torch
        from torch import nn
        from notebookviz.onnx_export import export
        torch.manual_seed(0)
        sizes = [(2500, 5000), (5000, 2500)] * 5
        model = nn.Sequential(*[nn.Linear(*size, bias=False) for size in sizes])
        export(nn.Linear(2, 2), (torch.zeros(1, 2),))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = export(model, (torch.zeros(1, 2500),))
        print(len(result.live), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=540, check=True
    )
    tensors, grown = map(int, done.stdout.split())
    assert tensors == 10
    assert grown < 50e6


def test_no_interpreter_to_start(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(ExportError, match=r"This Python does not know its own executable"):
        export(torch.nn.Identity(), (torch.zeros(1),))


def test_a_check_loads_no_torch(tmp_path):
    code = "import sys; from notebookviz.onnx_export import child, checking; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
