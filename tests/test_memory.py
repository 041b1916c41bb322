"""Opening a view copies no weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import re
from pathlib import Path
import torch
from torch import nn
from notebookviz import show

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

show(nn.Linear(4, 4), browser=False)
model = nn.Sequential(*[nn.Linear(5000, 5000) for _ in range(5)])
weights = sum(tensor.nbytes for tensor in model.parameters())
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
before = peak()
panel = show(model, browser=False)
assert panel.recording.failure is None and panel.table.total_params > 10**8
print(weights, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc")
def test_showing_500_mb_of_weights_takes_less_than_a_tenth_of_that():
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=240)
    weights, growth = map(int, done.stdout.split()[-2:])
    assert weights > 500e6
    assert growth < 0.1 * weights, f"the peak grew by {growth / 1e6:.0f} MB"
