"""``python benchmarks/background.py``: what a cell and a training in the background leave each other.

The model trains as the Fine-tune tab starts it.  A cell's work runs while the training is held between two steps, then
beside it, many times in turns, so that what else the machine does slows both; the same for the training, beside which
the cell waits, then works.  The figures are medians of the turns' ratios, with their quartiles.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from typing import TYPE_CHECKING

import torch
import torchvision
from torch.utils.data import TensorDataset

from notebookviz.finetune.session import Session
from notebookviz.finetune.settings import Settings
from notebookviz.finetune.story import Story
from notebookviz.finetune.watching import watch
from notebookviz.turns import lock_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from notebookviz.finetune.events import Step

SECONDS = 1.5


def python() -> None:
    """A loop of plain Python."""
    total = 0
    for number in range(200_000):
        total += number * number % 7


def matrices() -> None:
    """Matrix products on all cores."""
    square = torch.rand(700, 700)
    for _ in range(4):
        square = (square @ square) / 700


def inference() -> None:
    """A network's forward pass."""
    with torch.no_grad():
        network(picture)


class Counted(Story):
    """Counts steps as they are told."""

    def __init__(self) -> None:
        super().__init__(lambda _: None)
        self.steps = 0

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - that it came is all
        """One more."""
        self.steps += 1


def main() -> int:
    """Measure each cell and the training beside each other; print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    model = torchvision.models.resnet18()
    data = TensorDataset(torch.rand(512, 3, 64, 64), torch.arange(512) % 10)
    story, stop = Counted(), threading.Event()
    watch(model, story)
    session = Session(lambda: model, lambda: {"data": data}, lambda: None, story)
    settings = Settings(source="data", learn="all", epochs=100_000, validation="none", batch=4)
    run = threading.Thread(target=session.run, args=(settings, stop, lambda: None))
    run.start()
    while story.steps < 3:
        time.sleep(0.05)
    for cell in (python, matrices, inference):
        kept, share = [], []
        for _ in range(rounds):
            with lock_of(model):
                alone = speed(cell)
            before, began = story.steps, time.perf_counter()
            kept.append(speed(cell) / alone)
            beside = (story.steps - before) / (time.perf_counter() - began)
            before, began = story.steps, time.perf_counter()
            time.sleep(SECONDS)
            share.append(beside * (time.perf_counter() - began) / max(story.steps - before, 1))
        print(f"{cell.__name__:10} the cell keeps {told(kept)}, the training {told(share)}", flush=True)
    stop.set()
    run.join()
    return 0


def speed(cell: Callable[[], None]) -> float:
    """How often a cell's work is done in a second."""
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        cell()
        count += 1
    return count / (time.perf_counter() - began)


def told(ratios: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.0%} ({low:.0%} to {high:.0%})"


network = torchvision.models.resnet18().eval()
picture = torch.rand(1, 3, 224, 224)

if __name__ == "__main__":
    sys.exit(main())
