"""True ONNX in figures: seconds, the kernel's memory, its speed meanwhile, and how fast Cancel is.

Run with ``python benchmarks/onnx_export.py``.  Ratios are taken in one run, in turns, so that other load on the machine
spreads over both sides.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path

import torch
import torchvision
import transformers
from torch import nn

from notebookviz.onnx_export import ExportCancelledError, export, save

IMAGE = (torch.randn(1, 3, 224, 224),)
IDS = (torch.arange(64).reshape(1, 64),)
MODELS = {
    "resnet18": (torchvision.models.resnet18, IMAGE),
    "resnet50": (torchvision.models.resnet50, IMAGE),
    "vit_b_16": (torchvision.models.vit_b_16, IMAGE),
    "GPT-2": (lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config()), IDS),
}


def memory(field: str) -> float:
    """Resident (``VmRSS``) or peak (``VmHWM``) memory of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1e3
    raise LookupError(field)


def forget_peak() -> None:
    """Start the peak afresh."""
    Path("/proc/self/clear_refs").write_text("5")


def models(names: list[str]) -> None:
    """Export, save and compare each model."""
    print("model       export   save  compare  file MB  weights  kernel +MB  verdict")
    for name in names:
        build, args = MODELS[name]
        model = build()
        weights = sum(item.numel() * item.element_size() for item in model.parameters()) / 1e6
        forget_peak()
        before = memory("VmRSS")
        result = export(model, args)
        grown = memory("VmHWM") - before
        with tempfile.TemporaryDirectory() as folder:
            saved = save(result, model, Path(folder) / "model.onnx", compare=True)
        check = saved.check
        assert check is not None  # noqa: S101
        print(
            f"{name:10} {result.seconds:6.1f}s {saved.seconds:5.1f}s {check.seconds:7.1f}s {saved.nbytes / 1e6:8.1f} "
            f"{weights:8.1f} {grown:11.1f}  {check.verdict}, abs {check.absolute:.1e}, rel {check.relative:.1e}"
        )
        print(f"{'':10} {', '.join(f'{stage} {seconds:.1f}' for stage, seconds in result.stages)}")


def speed(rounds: int) -> None:
    """Training steps a second with an export running, against none, in turns."""
    trained = nn.Sequential(*[nn.Linear(512, 512) for _ in range(6)])
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.01)
    x = torch.randn(64, 512)

    def rate(seconds: float) -> float:
        steps, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            optimizer.zero_grad()
            trained(x).square().mean().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            steps += 1
        return steps / seconds

    model = torchvision.models.resnet18()
    rate(1)
    ratios = []
    for _ in range(rounds):
        alone = rate(2)
        thread = threading.Thread(target=export, args=(model, IMAGE))
        thread.start()
        together = []
        while thread.is_alive():
            together.append(rate(0.5))
        ratios.append(statistics.mean(together) / statistics.mean((alone, rate(2))))
    print(f"speed of a training cell while an export runs: {statistics.median(ratios):.2f} of its own {ratios}")


def cancelling() -> None:
    """Seconds from Cancel to the end of the child, in each stage."""
    model = torchvision.models.resnet18()
    for stage in ("starting", "tracing", "converting"):
        cancel, at = threading.Event(), [0.0]

        def progress(
            now: str, _: float, stage: str = stage, cancel: threading.Event = cancel, at: list[float] = at
        ) -> None:
            if now == stage and not cancel.is_set():
                at[0] = time.monotonic()
                cancel.set()

        try:
            export(model, IMAGE, progress=progress, cancel=cancel)
        except ExportCancelledError:
            print(f"cancelled while {stage}: child gone after {time.monotonic() - at[0]:.2f} s")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=list(MODELS), help=f"of {', '.join(MODELS)}")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the speed test")
    options = parser.parse_args()
    models(options.models)
    cancelling()
    speed(options.rounds)


if __name__ == "__main__":
    main()
