"""LoRA: small matrices that learn beside frozen layers, by peft."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from torch import nn

from notebookviz.capture import naming
from notebookviz.errors import InputError, MissingExtraError
from notebookviz.finetune.blocks import find_blocks
from notebookviz.finetune.freezing import Learning, fits, learning
from notebookviz.finetune.options import check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_SETTINGS: Final = ("r", "lora_alpha", "lora_dropout", "target_modules", "inference_mode")


@dataclass(slots=True)
class Lora:
    """Where LoRA was added; ``print`` it.

    Attributes:
        layers: Paths of the layers.
        rank: Of the small matrices.
        learning: What learns now.
    """

    layers: tuple[str, ...]
    rank: int
    learning: Learning
    _model: nn.Module = field(repr=False, kw_only=True)
    _before: Mapping[nn.Parameter, bool] = field(repr=False, kw_only=True)

    def merge(self) -> None:
        """Add what was learned to the layers' own weights, and take the small matrices off."""
        self._take_off(merge=True)

    def undo(self) -> None:
        """Take the small matrices off, with what they learned."""
        self._take_off(merge=False)

    def _take_off(self, *, merge: bool) -> None:
        for path in self.layers:
            above, _, name = path.rpartition(".")
            parent = self._model.get_submodule(above)
            layer: Any = parent._modules[name]  # noqa: SLF001 - names may be numbers
            if hasattr(layer, "get_base_layer"):
                if merge:
                    layer.merge()
                parent._modules[name] = layer.get_base_layer()  # noqa: SLF001
        vars(self._model).pop("peft_config", None)
        for parameter, learns in self._before.items():
            parameter.requires_grad_(learns)

    def __str__(self) -> str:
        """Two sentences."""
        count = f"{len(self.layers)} layer{'s' * (len(self.layers) > 1)}"
        return f"LoRA of rank {self.rank} stands beside {count}. {self.learning}"


def add_lora(model: nn.Module, *patterns: str, rank: int = 8, alpha: int = 16, dropout: float = 0.0) -> Lora:
    """Freeze a model and let small matrices learn beside its linear layers (LoRA); the head learns as a whole.

    The model is changed in place.  Call ``.merge()`` after the training: then it is a plain model again, as wide and
    as fast as before.

    Args:
        model: The model.
        *patterns: Paths of the layers, with ``*``; all linear layers but the head where none is given.
        rank: Width of the small matrices.
        alpha: Their output is multiplied by ``alpha / rank``.
        dropout: Dropout before them.

    Returns:
        Where it was added; ``.merge()`` or ``.undo()`` takes it off.

    Raises:
        MissingExtraError: peft is not installed.
        InputError: There is no such layer.

    Example:
        >>> model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        >>> print(add_lora(model, rank=4))
        LoRA of rank 4 stands beside 1 layer. 1,162 of 5,322 parameters learn: 0.lora_A.default, 0.lora_B.default, 2.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"add_lora() got {type(model).__name__}; it wants a torch.nn.Module.")
    check(rank=rank, alpha=alpha, dropout=dropout)
    if "peft_config" in vars(model):
        raise InputError("This model has LoRA already.", hint="Call merge() or undo() of what add_lora returned first.")
    before = {parameter: parameter.requires_grad for parameter in model.parameters()}
    heads = find_blocks(model).heads
    layers = [
        path
        for path, module in naming.modules(model)
        if _takes(module) and path and path not in heads and (not patterns or any(fits(path, one) for one in patterns))
    ]
    if not layers:
        raise InputError(
            f"No linear layer {'is matched by ' + ', '.join(map(repr, patterns)) if patterns else 'was found'} "
            "besides the head.",
            hint="LoRA stands beside linear layers and convolutions: name some by patterns.",
        )
    _inject(model, layers, rank, alpha, dropout)
    for path in heads:
        for parameter in model.get_submodule(path).parameters():
            parameter.requires_grad_(True)  # noqa: FBT003 - torch's own
    return Lora(tuple(layers), rank, learning(model), _model=model, _before=before)


def _takes(module: nn.Module) -> bool:
    """Linear layers, and those of GPT-2 that keep their weight transposed."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def described(model: nn.Module) -> dict[str, Any] | None:
    """Where LoRA stands in a model, for JSON; None without it, and for adapters that :func:`add_lora` can't make."""
    configs = vars(model).get("peft_config")
    config: Any = configs.get("default") if isinstance(configs, dict) and len(configs) == 1 else None
    if type(config).__name__ != "LoraConfig":
        return None
    plain = replace(type(config)(), **{name: getattr(config, name) for name in _SETTINGS})
    if config != plain:
        return None
    layers = [path for path, module in naming.modules(model) if hasattr(module, "get_base_layer")]
    return {"layers": layers, "rank": config.r, "alpha": config.lora_alpha, "dropout": config.lora_dropout}


@contextmanager
def again(model: nn.Module, recipe: Mapping[str, Any] | None) -> Iterator[None]:
    """Let LoRA stand where it was described, while weights are loaded; afterwards it is merged.

    Raises:
        MissingExtraError: peft is not installed.
        InputError: The model has no such layers.
    """
    if recipe is None or described(model) is not None:
        yield
        return
    before = {parameter: parameter.requires_grad for parameter in model.parameters()}
    try:
        inject(model, recipe)
    except ValueError as error:
        raise InputError(
            f"The weights don't fit the model: LoRA stood beside {naming.cut(', '.join(recipe['layers']), 200)}, which "
            "are no such layers here.",
            hint="Build the model as it was trained.",
        ) from error
    beside = Lora(tuple(recipe["layers"]), recipe["rank"], learning(model), _model=model, _before=before)
    try:
        yield
    except BaseException:
        beside.undo()
        raise
    beside.merge()


def inject(model: nn.Module, recipe: Mapping[str, Any]) -> None:
    """Let LoRA stand where it was described.

    Raises:
        MissingExtraError: peft is not installed.
    """
    _inject(model, recipe["layers"], recipe["rank"], recipe["alpha"], recipe["dropout"])


def _inject(model: nn.Module, layers: Sequence[str], rank: int, alpha: int, dropout: float) -> None:
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtraError("peft", extra="lora") from error
    chosen = "|".join(map(re.escape, layers))
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=f"({chosen})")
    inject_adapter_in_model(config, model)
