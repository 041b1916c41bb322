"""``python benchmarks/finetune.py``: what ``fine_tune`` costs beside a bare PyTorch loop.

Both train the same model on the same batches on the CPU in turns; what counts is the process's own CPU seconds from
the end of the first step to the end of the third epoch, so that the machine's other work falls out.  The figure is the
median of the ratios of neighbouring runs.  The bare loop adds up its losses, as most do, and has the same optimiser;
``fine_tune`` counts its metrics too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from notebookviz import fine_tune  # noqa: E402 - the root must be on the path first
from notebookviz.finetune.events import Callback, Epoch, Step  # noqa: E402
from notebookviz.finetune.groups import parameter_groups  # noqa: E402
from tests.finetune import digits  # noqa: E402

GOAL = 0.03
EPOCHS = 3


def main() -> int:
    """Measure, print a line for each model, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, default=ROOT / "artifacts" / "finetune.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name, (model, data, rate) in cases().items():
        ratios = [ratio(model, data, rate, at) for at in range(options.rounds + 1)][1:]
        overhead = statistics.median(ratios) - 1
        results[name] = {"overhead": overhead, "ratios": ratios}
        low, high = (statistics.quantiles(ratios, n=4)[at] - 1 for at in (0, 2))
        print(
            f"{name:16} overhead {overhead:+.1%} (quartiles {low:+.1%} to {high:+.1%}, goal below {GOAL:.0%})",
            flush=True,
        )
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def cases() -> dict[str, tuple[nn.Module, DataLoader, float]]:
    """A small network on digits, and ResNet-18 on small images."""
    import torchvision

    train, _ = digits.loaders()
    images = TensorDataset(torch.randn(64, 3, 64, 64), torch.arange(64) % 10)
    return {
        "digits": (digits.network(), train, 1e-3),
        "resnet18, 64 px": (torchvision.models.resnet18(num_classes=10), DataLoader(images, batch_size=16), 1e-4),
    }


def ratio(model: nn.Module, data: DataLoader, rate: float, at: int) -> float:
    """CPU seconds by ``fine_tune`` over those by a bare loop; who is first alternates."""
    seconds = {}
    for way in (tuned, bare) if at % 2 else (bare, tuned):
        seconds[way] = way(model, data, rate)
    return seconds[tuned] / seconds[bare]


class Clock(Callback):
    """CPU seconds at the end of each step and epoch."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - the time is all
        self.times.append(time.process_time())

    def on_epoch(self, epoch: Epoch) -> None:  # noqa: ARG002
        self.times.append(time.process_time())


def tuned(model: nn.Module, data: DataLoader, rate: float) -> float:
    """CPU seconds of ``fine_tune``."""
    clock = Clock()
    fine_tune(model, data, epochs=EPOCHS, lr=rate, scheduler="constant", warmup=0, verbose=False, callbacks=[clock])
    return clock.times[-1] - clock.times[0]


def bare(model: nn.Module, data: DataLoader, rate: float) -> float:
    """The same as people write it."""
    optimizer = torch.optim.AdamW(parameter_groups(model, lr=rate))
    criterion = nn.CrossEntropyLoss()
    model.train()
    times = []
    for _ in range(EPOCHS):
        total = 0.0
        for x, y in data:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
            times.append(time.process_time())
    return times[-1] - times[0]


if __name__ == "__main__":
    sys.exit(main())
