"""In a real IPython kernel: a class of a cell, closures, threads, a cell that runs meanwhile."""

from __future__ import annotations

import textwrap

import pytest
from jupyter_client import KernelManager


@pytest.fixture
def run(tmp_path):
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(180)

    def execute(code):
        said = []

        def hear(message):
            content = message["content"]
            said.append(content.get("text") or "\n".join(content.get("traceback", [])))

        reply = client.execute_interactive(textwrap.dedent(code), timeout=200, output_hook=hear)
        assert reply["content"]["status"] == "ok", "".join(said)
        return "".join(said).strip()

    yield execute
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_class_of_a_cell_in_a_kernel_with_threads(run):
    run("""
        import threading, time, torch
        from torch import nn
        scale, dtype = 3.0, torch.float32
        act = lambda x: torch.relu(x) * scale
        class Block(nn.Module):
            def __init__(self, n):
                super().__init__()
                self.fc, k = nn.Linear(n, n), 2.0
                self.times = lambda x: x * k
            def forward(self, x):
                return act(self.times(self.fc(x)))
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.blocks = nn.Sequential(*[Block(8) for _ in range(3)])
            def forward(self, x):
                return {"y": self.blocks(x.to(dtype))}
            def broken(self, x):
                if x.sum() > 0:
                    return x
        stop = threading.Event()
        for _ in range(4):
            threading.Thread(target=stop.wait, daemon=True).start()
        model, trained = Net(), nn.Linear(8, 8)
        optimizer = torch.optim.SGD(trained.parameters(), lr=0.1)
    """)
    said = run("""
        from notebookviz.onnx_export import export, save
        found, steps = {}, 0
        def work():
            result = export(model, (torch.randn(1, 8),))
            found.update(result=result, saved=save(result, model, "cell.onnx", compare=True))
        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            optimizer.zero_grad()
            trained(torch.randn(4, 8)).sum().backward()
            optimizer.step()
            steps += 1
        print(steps > 100, found["result"].exporter, found["result"].outputs, found["saved"].check.verdict)
    """)
    assert said == "True torch.export ('y',) agrees"
    said = run("""
        Net.forward = Net.broken
        print(export(model, (torch.ones(1, 8),)).notes[0])
    """)
    assert "(`if x.sum() > 0:`, " in said
