"""How much of its speed a cell keeps while a model trains in the background, as the Fine-tune tab starts it.

python benchmarks/background.py
"""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING, Any

import torch
import torchvision
from torch.utils.data import TensorDataset

from notebookviz.finetune.session import Session
from notebookviz.finetune.settings import Settings
from notebookviz.finetune.story import Story
from notebookviz.finetune.watching import watch

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7


def python() -> None:
    """A loop of plain Python."""
    total = 0
    for number in range(2_000_000):
        total += number * number % 7


def matrices() -> None:
    """Matrix products on all cores."""
    square = torch.rand(700, 700)
    for _ in range(12):
        square = (square @ square) / 700


def inference() -> None:
    """A network's forward passes."""
    with torch.no_grad():
        for _ in range(3):
            network(picture)


def seconds(work: Callable[[], None]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Measure each cell alone and beside a training, in turns, so that a busy machine slows both."""
    model = torchvision.models.resnet18()
    data = TensorDataset(torch.rand(512, 3, 64, 64), torch.arange(512) % 10)
    ratios: dict[str, list[float]] = {work.__name__: [] for work in CELLS}
    for _ in range(ROUNDS):
        alone = {work.__name__: seconds(work) for work in CELLS}
        story = Story(lambda _: None)
        watch(model, story)
        session = Session(lambda: model, lambda: {"data": data}, lambda: None, story)
        stop = threading.Event()
        settings = Settings(source="data", learn="all", epochs=1000, validation="none")
        run = threading.Thread(target=session.run, args=(settings, stop, lambda: None))
        run.start()
        while not snapshot(story).get("step"):
            time.sleep(0.05)
        first = snapshot(story)["step"]
        for work in CELLS:
            ratios[work.__name__].append(alone[work.__name__] / seconds(work))
        steps = snapshot(story)["step"] - first
        stop.set()
        run.join()
        print(f"{steps} steps beside the cells", flush=True)
    for name, found in ratios.items():
        print(f"{name:10}  keeps {statistics.median(found):.0%} of its speed ({min(found):.0%} to {max(found):.0%})")


def snapshot(story: Story) -> dict[str, Any]:
    """What the panel would be told now."""
    return story.snapshot()


CELLS = (python, matrices, inference)
network = torchvision.models.resnet18().eval()
picture = torch.rand(1, 3, 224, 224)

if __name__ == "__main__":
    main()
