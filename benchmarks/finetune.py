"""``python benchmarks/finetune.py``: what ``fine_tune`` costs beside a bare PyTorch loop.

Both train the same model on the same batches on the CPU, in turns (bare, tuned, tuned, bare); what counts is the
process's own CPU seconds from the end of the first step to the end of the third epoch.  What else the machine does
only ever slows a step down, so each step and each end of an epoch counts as the fastest of all rounds.  Two figures
tell how far that can be trusted: the same for the bare loop's second runs beside its first ones, and the median of the
rounds' own ratios.  The bare loop adds up its losses, as most do, and has the same optimiser; ``fine_tune`` counts its
metrics too.
"""

from __future__ import annotations

import argparse
import gc
import itertools
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
    parser.add_argument("cases", nargs="*", help="the first letters of a case; all without it")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, default=ROOT / "artifacts" / "finetune.json")
    parser.add_argument("--quick", action="store_true", help="as little as shows that it runs; writes nothing")
    options = parser.parse_args()
    if options.quick:
        options.cases, options.rounds = ["digits"], 1
    torch.set_num_threads(1)
    results = {}
    for name, case in cases().items():
        if options.cases and not name.startswith(tuple(options.cases)):
            continue
        rounds = [measured(case) for _ in range(options.rounds + 1)][1:]
        first, second, two = ([each[at] for each in rounds] for at in range(3))
        bare_runs, tuned_runs = first + second, [run for pair in two for run in pair]
        overhead = quiet(tuned_runs) / quiet(bare_runs) - 1
        control = quiet(second) / quiet(first) - 1
        ratios = [sum(map(sum, three[2])) / (sum(three[0]) + sum(three[1])) - 1 for three in rounds]
        results[name] = {"overhead": overhead, "control": control, "rounds": ratios}
        print(
            f"{name:16} overhead {overhead:+.1%} (goal below {GOAL:.0%}; the bare loop beside itself {control:+.1%}; "
            f"median of the rounds {statistics.median(ratios):+.1%})",
            flush=True,
        )
    if options.quick:
        return 0
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


def measured(case: tuple[nn.Module, DataLoader, float]) -> tuple[list[float], list[float], list[list[float]]]:
    """CPU seconds of each part of a run: of the bare loop's first and second run, and of both of ``fine_tune``."""
    one, two, three, four = (way(*case) for way in (bare, tuned, tuned, bare))
    return one, four, [two, three]


def quiet(runs: list[list[float]]) -> float:
    """CPU seconds of a run in which each part is as fast as in the fastest of all."""
    return sum(map(min, zip(*runs, strict=True)))


class Clock(Callback):
    """CPU seconds of each part: a step, or what follows an epoch's last one."""

    def __init__(self) -> None:
        gc.collect()
        self._times: list[float] = []

    @property
    def parts(self) -> list[float]:
        """The seconds between two calls."""
        return [later - earlier for earlier, later in itertools.pairwise(self._times)]

    def tick(self) -> None:
        """A part is over."""
        self._times.append(time.process_time())

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - the time is all
        self.tick()

    def on_epoch(self, epoch: Epoch) -> None:  # noqa: ARG002
        self.tick()


def tuned(model: nn.Module, data: DataLoader, rate: float) -> list[float]:
    """CPU seconds of ``fine_tune``, part by part."""
    clock = Clock()
    fine_tune(model, data, epochs=EPOCHS, lr=rate, scheduler="constant", warmup=0, verbose=False, callbacks=[clock])
    return clock.parts


def bare(model: nn.Module, data: DataLoader, rate: float) -> list[float]:
    """The same as people write it."""
    optimizer = torch.optim.AdamW(parameter_groups(model, lr=rate))
    criterion = nn.CrossEntropyLoss()
    model.train()
    clock = Clock()
    for _ in range(EPOCHS):
        total = 0.0
        for x, y in data:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
            clock.tick()
        clock.tick()
    return clock.parts


if __name__ == "__main__":
    sys.exit(main())
