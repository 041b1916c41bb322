"""``make bench``, capture alone: how long it takes and what memory it needs, beside other ways to learn a structure.

Each way is taken in turns, so that all see the same load: the bare forward pass of the weightless copy under the same
fake mode, capture, and where they are installed torchvista, torchview and torchinfo, which run the model itself.
``python benchmarks/capture.py [--repeats 5] [--models GPT-2]``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Inputs = tuple[torch.Tensor, ...]

MEMORY = "--memory"
LLAMA = "Llama-3-8B on meta"


def main() -> int:
    """Print one line for each model and way, and the ratios that matter."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--output", type=Path, default=Path(__file__).parents[1] / "artifacts" / "capture.json")
    parser.add_argument("--quick", action="store_true", help="as little as shows that it runs; writes nothing")
    parser.add_argument(MEMORY, action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        print(json.dumps(peak_megabytes()))
        return 0
    if options.quick:
        options.models, options.repeats = options.models[:1], 1
    results = {name: compared(name, options.repeats) for name in options.models}
    if {"resnet50", LLAMA} <= set(results):
        ratio = results[LLAMA]["capture"]["later"] / results["resnet50"]["capture"]["later"]
        print(f"{LLAMA}: {ratio:.1f} times ResNet-50's capture")
    command = [sys.executable, __file__, MEMORY]
    grown = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    print(f"{LLAMA}: peak memory grew by {grown:.0f} MB over a process that has looked at one layer")
    if options.quick:
        return 0
    options.output.parent.mkdir(exist_ok=True)
    options.output.write_text(json.dumps({"models": results, "peak_mb": grown}, indent=1) + "\n")
    return 0


def resnet50() -> tuple[nn.Module, Inputs]:
    """The convolutional network."""
    import torchvision

    return torchvision.models.resnet50().eval(), (torch.rand(1, 3, 224, 224),)


def vit_b_16() -> tuple[nn.Module, Inputs]:
    """The vision transformer."""
    import torchvision

    return torchvision.models.vit_b_16().eval(), (torch.rand(1, 3, 224, 224),)


def gpt2() -> tuple[nn.Module, Inputs]:
    """The small language model, with 128 tokens."""
    import transformers

    config = transformers.GPT2Config(use_cache=False)
    return transformers.GPT2LMHeadModel(config).eval(), (torch.zeros(1, 128, dtype=torch.int64),)


def llama() -> tuple[nn.Module, Inputs]:
    """The large language model: its configuration on the meta device, without weights."""
    import transformers

    config = transformers.LlamaConfig(
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        vocab_size=128_256,
        max_position_embeddings=8192,
        use_cache=False,
    )
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(config).eval()
    return model, (torch.zeros(1, 128, dtype=torch.int64, device="meta"),)


MODELS: dict[str, Callable[[], tuple[nn.Module, Inputs]]] = {
    "resnet50": resnet50,
    "vit_b_16": vit_b_16,
    "GPT-2": gpt2,
    LLAMA: llama,
}


def compared(name: str, repeats: int) -> dict[str, Any]:
    """Seconds of each way's first call and the median of its later ones, taken in turns."""
    model, given = MODELS[name]()
    ways = dict(all_ways(model, given))
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    failed: dict[str, str] = {}
    for _ in range(repeats + 1):
        for way, action in ways.items():
            if way in failed:
                continue
            began = time.perf_counter()
            try:
                action()
            except Exception as error:  # noqa: BLE001 (a way that fails is a result)
                failed[way] = f"{type(error).__name__}: {str(error).strip()[:100]}"
            seconds[way].append(time.perf_counter() - began)
    found: dict[str, Any] = {}
    for way, all_seconds in seconds.items():
        if way in failed:
            found[way] = {"failed": failed[way]}
            print(f"{name:20} {way:22} failed: {failed[way]}", flush=True)
            continue
        found[way] = {"first": all_seconds[0], "later": statistics.median(all_seconds[1:])}
        later = found[way]["later"]
        ratio = later / found["bare forward, fake"]["later"]
        print(
            f"{name:20} {way:22} first {all_seconds[0]:6.2f} s, later {later:6.2f} s, {ratio:5.2f} × bare", flush=True
        )
    return found


def all_ways(model: nn.Module, given: Inputs) -> Iterator[tuple[str, Callable[[], object]]]:
    """The bare pass, capture, and the other tools that are installed."""
    from notebookviz.capture import capture

    yield "bare forward, fake", bare(model, given)
    yield "bare, no fast path", bare(model, given, fast=False)
    yield "capture", lambda: capture(model, given)
    yield "capture, inferred", lambda: capture(model)
    for tool in (torchvista, torchview, torchinfo):
        if importlib.util.find_spec(tool.__name__) is None:
            print(f"{tool.__name__} is not installed", flush=True)
        else:
            yield tool.__name__, tool(model, given)


def bare(model: nn.Module, given: Inputs, *, fast: bool = True) -> Callable[[], object]:
    """One forward pass of the weightless copy with nobody looking; the copy is made beforehand.

    The fast path of ``nn.MultiheadAttention`` hides its operators; capture runs without it.
    """
    from notebookviz.capture.skeleton import Skeleton

    skeleton = Skeleton(model, "eval")
    args = skeleton.convert(given)

    def forward() -> None:
        before = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(fast)
        try:
            with torch.no_grad(), skeleton.fake:
                skeleton.model(*args)
        finally:
            torch.backends.mha.set_fastpath_enabled(before)

    return forward


def torchvista(model: nn.Module, given: Inputs) -> Callable[[], object]:
    """Its trace, without the page that it makes afterwards."""
    from torchvista import tracer

    def trace() -> None:
        with mock.patch.object(tracer, "plot_graph"):
            tracer.trace_model(model, given)

    return trace


def torchview(model: nn.Module, given: Inputs) -> Callable[[], object]:
    """Its graph, not drawn."""
    from torchview import draw_graph

    device = next(model.parameters()).device
    return lambda: draw_graph(model, input_data=given, device=device)


def torchinfo(model: nn.Module, given: Inputs) -> Callable[[], object]:
    """Its table."""
    from torchinfo import summary

    return lambda: summary(model, input_data=given, verbose=0, device=next(model.parameters()).device)


def peak_megabytes() -> float:
    """How much the peak memory of this process grows when it looks at the large model, after one small one."""
    from notebookviz.capture import capture

    model, given = llama()
    capture(nn.Linear(8, 2))
    Path("/proc/self/clear_refs").write_text("5")
    held = megabytes("VmRSS")
    capture(model, given)
    return megabytes("VmHWM") - held


def megabytes(key: str) -> float:
    """A line of the process's status."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[key].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
