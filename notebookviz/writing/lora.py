"""LoRA as cells: small matrices beside layers, put there by peft, and merged into them at the end."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture import naming
from notebookviz.errors import InputError
from notebookviz.finetune.pretrained import equal
from notebookviz.writing.building import prefixes
from notebookviz.writing.code import Names, import_lines, needed, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Adapters:
    """The small matrices of a model.

    Attributes:
        config: peft's settings.
        name: peft's name for them.
        layers: Paths of the layers that they stand beside.
        tensors: Those of their values that the seed does not give.
    """

    config: Any
    name: str
    layers: tuple[str, ...]
    tensors: Mapping[str, Tensor]

    def renamed(self, key: str) -> str:
        """What a tensor of the bare model is called beside the matrices."""
        path, _, last = key.rpartition(".")
        return f"{path}.base_layer.{last}" if path in self.layers else key

    def cell(self, model: str, names: Names, seed: int, *, own: bool) -> str:
        """The cell that puts them there.

        Args:
            model: The model's variable.
            names: The notebook's variables.
            seed: Of their first values.
            own: Whether a cell of the user's makes the model, and may have put them there already.
        """
        settings = {key: value for key, value in _settings(self.config).items() if key != "target_modules"}
        codes = {key: needed(partial(written, value, names), f"LoRA's {key}") for key, value in settings.items()}
        given = "".join(f"{key}={code.text}, " for key, code in codes.items())
        imports = {"import re", "import torch", "from peft import LoraConfig, inject_adapter_in_model"}
        count = f"{len(self.layers)} layer{'s' * (len(self.layers) > 1)}"
        lines = [
            f"# LoRA of rank {self.config.r}: small matrices learn beside {count}.",
            *import_lines(imports.union(*(code.imports for code in codes.values()))),
            "",
            "layers = [",
            *(f"    {layer!r}," for layer in self.layers),
            "]",
            f"torch.manual_seed({seed})",
            f'config = LoraConfig({given}target_modules="|".join(map(re.escape, layers)))',
        ]
        named = "" if self.name == "default" else f", {self.name!r}"
        inject = f"inject_adapter_in_model(config, {model}{named})"
        if own:
            return "\n".join([*lines, f'if not hasattr({model}, "peft_config"):', f"    {inject}"])
        return "\n".join([*lines, inject])


@contextmanager
def bare(model: nn.Module, seed: int) -> Iterator[Adapters | None]:
    """The model without its small matrices for a moment; None where it has none.

    Args:
        model: The model.
        seed: Tried for the matrices' first values.

    Raises:
        InputError: It has several kinds of them.
    """
    configs = vars(model).get("peft_config")
    if not isinstance(configs, dict) or type(model).__module__.startswith("peft."):
        yield None
        return
    if len(configs) != 1:
        raise InputError(
            f"The model has {len(configs)} adapters: {', '.join(map(repr, configs))}; cells are written for one.",
            hint="Merge the others into the model.",
        )
    ((name, config),) = configs.items()
    found = {
        path: module for path, module in naming.modules(model) if callable(getattr(module, "get_base_layer", None))
    }
    before = {key: value for key, value in model.state_dict().items() if ".base_layer." not in key}
    learns = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        drawn = _drawn(model, found, config, name, seed)
        own = {key: value for key, value in before.items() if _is_inside(key, found)}
        tensors = {key: value for key, value in own.items() if not equal(drawn.get(key), value)}
        yield Adapters(config, name, tuple(found), tensors)
    finally:
        _put(model, found)
        vars(model)["peft_config"] = configs
        for parameter, learning in learns.items():
            parameter.requires_grad_(learning)


def learning_cell(model: nn.Module, name: str) -> str:
    """The cell that says what learns beside the small matrices."""
    parameters = dict(model.named_parameters())
    others = [key for key in parameters if ".lora_" not in key]
    listed = prefixes([key for key in others if parameters[key].requires_grad], others)
    test = '".lora_" in key' + (f" or key.startswith(({', '.join(map(repr, listed))},))" if listed else "")
    return (
        "# 3. What learns: the small matrices, and the head as a whole.\n"
        f"for key, parameter in {name}.named_parameters():\n"
        f"    parameter.requires_grad_({test})\n"
        f'print(f"{{sum(p.numel() for p in {name}.parameters() if p.requires_grad):,}} parameters learn")'
    )


def merge_cell(name: str, number: int) -> str:
    """The cell that makes it a plain model again."""
    return (
        f"# {number}. Merge: what was learned is added to the layers' own weights, and the small matrices go.\n"
        "for key in layers:\n"
        f"    layer = {name}.get_submodule(key)\n"
        "    layer.merge()\n"
        '    parent, _, child = key.rpartition(".")\n'
        f"    setattr({name}.get_submodule(parent), child, layer.get_base_layer())\n"
        f"del {name}.peft_config"
    )


def _drawn(model: nn.Module, layers: Mapping[str, nn.Module], config: Any, name: str, seed: int) -> dict[str, Tensor]:  # noqa: ANN401
    """The values that the seed gives the matrices; leaves the model without any."""
    from peft import inject_adapter_in_model

    bases = {path: layer.get_base_layer() for path, layer in layers.items()}  # type: ignore[operator]
    _put(model, bases)
    vars(model).pop("peft_config")
    try:
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model, name)
        return {key: value for key, value in model.state_dict().items() if _is_inside(key, layers)}
    finally:
        _put(model, bases)
        vars(model).pop("peft_config", None)


def _is_inside(key: str, layers: Mapping[str, nn.Module]) -> bool:
    """Whether a tensor is one of the matrices beside these layers."""
    path, mark, _ = key.partition(".lora_")
    return bool(mark) and path in layers


def _put(model: nn.Module, layers: Mapping[str, nn.Module]) -> None:
    for path, layer in layers.items():
        above, _, name = path.rpartition(".")
        model.get_submodule(above)._modules[name] = layer  # noqa: SLF001 - names may be numbers


def _settings(config: Any) -> dict[str, Any]:  # noqa: ANN401 - of peft
    """The rank, and what differs from peft's defaults."""
    usual = type(config)().to_dict()
    differing = {key: value for key, value in config.to_dict().items() if key not in usual or usual[key] != value}
    return {"r": config.r, **differing}
