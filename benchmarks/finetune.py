"""``python benchmarks/finetune.py``: what ``fine_tune`` costs beside a bare PyTorch loop.

Compared are ``fine_tune`` with its defaults (metrics, progress, checks for NaN; a constant rate, no validation) and the
loop that people write by hand: ``zero_grad``, forward, loss, ``backward``, ``step``, and the sum of the losses for the
epoch's mean.  Both have the same model, data, batch size, shuffling, AdamW and parameter groups, on one core.

They take turns epoch by epoch: after each of its own ``fine_tune`` calls back, and two bare loops run one each, so that
what else the machine does meets all three alike.  What counts is the process's CPU seconds for each part, a step or the
end of an epoch: from the first step's end to the third epoch's end.  For each part the median over
the rounds of what ``fine_tune`` took more than the bare loops is added up; beside it stand the same for the second bare
loop over the first, which says how far to trust it, and the figure from the fastest of all rounds.

What ``fine_tune`` does once, before the first step (looking at model and data), is told by itself.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from notebookviz import fine_tune  # noqa: E402 - the root must be on the path first
from notebookviz.finetune.events import Callback, Epoch, Step  # noqa: E402
from notebookviz.finetune.groups import parameter_groups  # noqa: E402
from tests.finetune import digits  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GOAL = 0.03
EPOCHS = 3
TUNED, ONE, OTHER = range(3)


@dataclass(frozen=True)
class Case:
    """What is trained.

    Attributes:
        model: Is copied for each loop.
        data: What it learns from.
        batch: Samples in a step.
        rate: Learning rate.
    """

    model: nn.Module
    data: Dataset
    batch: int
    rate: float

    def loader(self) -> DataLoader:
        """Its batches, for one loop."""
        return DataLoader(self.data, self.batch, shuffle=True)


def cases() -> dict[str, Case]:
    """A small network on digits, and ResNet-18 on small images."""
    import torchvision

    images = TensorDataset(torch.randn(64, 3, 64, 64), torch.arange(64) % 10)
    return {
        "digits": Case(digits.network(), digits.data()[0], 64, 1e-3),
        "resnet18, 64 px": Case(torchvision.models.resnet18(num_classes=10), images, 16, 1e-4),
    }


def main() -> int:
    """Measure, print a line for each model, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", help="the first letters of a case; all without it")
    parser.add_argument("--rounds", type=int, default=20)
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
        rounds = [measured(case, swapped=bool(number % 2)) for number in range(options.rounds + 1)][1:]
        found = results[name] = judged(rounds)
        print(
            f"{name:16} overhead {found['overhead']:+.1%} (goal below {GOAL:.0%}; the bare loop beside itself "
            f"{found['control']:+.1%}; by the fastest {found['fastest']:+.1%}); a step {1e3 * found['step']:.2f} ms, "
            f"{1e6 * found['more']:+.0f} µs; once, before the first step, {found['before']:.2f} s",
            flush=True,
        )
    if options.quick:
        return 0
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    return 0


@dataclass(frozen=True)
class Round:
    """CPU seconds of one training and two bare loops beside it.

    Attributes:
        parts: A row for each loop (``fine_tune``, the one, the other), a number for each step and end of an epoch.
        before: Until the first step's end.
    """

    parts: Sequence[Sequence[float]]
    before: float


def measured(case: Case, *, swapped: bool) -> Round:
    """One round; the bare loops change places when ``swapped``."""
    gc.collect()
    turns = Turns([bare(case), bare(case)], swapped=swapped)
    began = time.process_time()
    fine_tune(
        copy.deepcopy(case.model),
        case.loader(),
        epochs=EPOCHS,
        lr=case.rate,
        scheduler="constant",
        warmup=0,
        verbose=False,
        callbacks=[turns],
    )
    return Round([each[1:] for each in turns.parts], turns.first - began)


def judged(rounds: Sequence[Round]) -> dict[str, float]:
    """What the rounds say, as parts of a bare loop's time and in seconds."""
    tuned, one, other = ([each.parts[loop] for each in rounds] for loop in (TUNED, ONE, OTHER))
    plain = [[(a + b) / 2 for a, b in zip(*both, strict=True)] for both in zip(one, other, strict=True)]
    usual = sum(map(statistics.median, zip(*plain, strict=True)))
    fastest = [sum(map(min, zip(*loop, strict=True))) for loop in (tuned, one, other)]
    steps = len(tuned[0])
    more = typical_difference(tuned, plain)
    return {
        "overhead": more / usual,
        "control": typical_difference(other, one) / usual,
        "fastest": 2 * fastest[TUNED] / (fastest[ONE] + fastest[OTHER]) - 1,
        "step": usual / steps,
        "more": more / steps,
        "before": statistics.median(each.before for each in rounds),
    }


def typical_difference(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    """How much longer a run is: for each part the median over the rounds, added up."""
    rounds = [[a - b for a, b in zip(*both, strict=True)] for both in zip(ours, theirs, strict=True)]
    return sum(map(statistics.median, zip(*rounds, strict=True)))


class Turns(Callback):
    """Lets other loops run an epoch after each of its own, and counts everybody's CPU seconds.

    Args:
        loops: Each goes on by one part when it is asked for its next item, which tells whether an epoch is over.
        swapped: Ask the last first.
    """

    def __init__(self, loops: Sequence[Iterator[bool]], *, swapped: bool) -> None:
        self.parts: list[list[float]] = [[] for _ in range(1 + len(loops))]
        self.first = 0.0
        self._loops = list(enumerate(loops, 1))[:: -1 if swapped else 1]
        self._since = time.process_time()

    def on_step(self, step: Step) -> None:  # noqa: ARG002 - the time is all
        self._over(TUNED)
        self.first = self.first or self._since

    def on_epoch(self, epoch: Epoch) -> None:  # noqa: ARG002
        self._over(TUNED)
        for number, loop in self._loops:
            for is_over in loop:
                self._over(number)
                if is_over:
                    break

    def _over(self, loop: int) -> None:
        now = time.process_time()
        self.parts[loop].append(now - self._since)
        self._since = time.process_time()


def bare(case: Case) -> Iterator[bool]:
    """The same training as people write it; tells after each step, and at each epoch's end, which of both it was."""
    model, data = copy.deepcopy(case.model), case.loader()
    optimizer = torch.optim.AdamW(parameter_groups(model, lr=case.rate))
    criterion = nn.CrossEntropyLoss()
    for _ in range(EPOCHS):
        model.train()
        total = 0.0
        for x, y in data:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
            yield False
        yield True


if __name__ == "__main__":
    sys.exit(main())
