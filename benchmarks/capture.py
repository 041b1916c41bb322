"""How long capture takes, beside a real forward pass and torch.export of the same model, in one run.

Run it with ``python benchmarks/capture.py [repeats]``.  Where torchvista was installed by hand its trace is timed too.
"""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from typing import TYPE_CHECKING
from unittest import mock

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from torch import nn

Case = tuple[str, "nn.Module", tuple[torch.Tensor, ...]]


def cases() -> Iterator[Case]:
    """The three models of the project's benchmarks."""
    import torchvision
    import transformers

    image = torch.rand(1, 3, 224, 224)
    yield "resnet50", torchvision.models.resnet50().eval(), (image,)
    yield "vit_b_16", torchvision.models.vit_b_16().eval(), (image,)
    config = transformers.GPT2Config(use_cache=False)
    yield "GPT-2", transformers.GPT2LMHeadModel(config).eval(), (torch.zeros(1, 128, dtype=torch.int64),)


def timed(action: Callable[[], object], repeats: int) -> dict[str, float]:
    """Seconds of the first call and the median of the later ones."""
    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return {"first": round(seconds[0], 3), "later": round(statistics.median(seconds[1:]), 3)}


def roads(model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Iterator[tuple[str, Callable[[], object]]]:
    """The ways to learn a model's structure that are compared."""
    from notebookviz.capture import capture

    yield "capture, input inferred", lambda: capture(model)
    yield "capture, input given", lambda: capture(model, inputs)

    def forward() -> None:
        with torch.no_grad():
            model(*inputs)

    yield "real forward pass", forward
    try:
        from torchvista import tracer
    except ImportError:
        pass
    else:
        yield "torchvista trace", lambda: trace_with_torchvista(tracer, model, inputs)
    yield "torch.export", lambda: torch.export.export(model, inputs, strict=False)


def trace_with_torchvista(tracer: ModuleType, model: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """Only its trace, without the page that it makes afterwards."""
    with mock.patch.object(tracer, "plot_graph"):
        tracer.trace_model(model, inputs)


def main() -> None:
    """Print one JSON line for each model and road."""
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    for name, model, inputs in cases():
        for road, action in roads(model, inputs):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                found: dict[str, object] = dict(timed(action, 1 if road == "torch.export" else repeats))
            except Exception as error:  # noqa: BLE001 (a road that fails is a result)
                found = {"failed": f"{type(error).__name__}: {str(error)[:120]}"}
            found["peak grew by MB"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
            print(json.dumps({"model": name, "road": road, **found}))


if __name__ == "__main__":
    main()
