"""Train and eval mode of a model, part by part."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.modules.batchnorm import _NormBase

if TYPE_CHECKING:
    from torch import nn


class Modes:
    """Switches a model between training and evaluation, and at the end back to how it was found.

    Frozen norms with running statistics stay in eval mode while the rest trains, so that they keep their statistics.

    Args:
        model: The model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._before = [(module, module.training) for module in model.modules()]
        self._frozen = frozen_norms(model)

    @property
    def frozen(self) -> int:
        """How many norms keep their statistics."""
        return len(self._frozen)

    def train(self) -> None:
        """Train all but the frozen norms."""
        self._model.train()
        for module in self._frozen:
            module.eval()

    def eval(self) -> None:
        """Evaluate."""
        self._model.eval()

    def restore(self) -> None:
        """Give each module the mode it was found in."""
        for module, training in self._before:
            module.training = training


def frozen_norms(model: nn.Module) -> list[nn.Module]:
    """Norms with running statistics of which nothing learns; one without weights is as frozen as what is around it."""
    found: list[nn.Module] = []
    for parent in model.modules():
        for module in parent.children():
            if isinstance(module, _NormBase) and module.track_running_stats:
                judged = module if module.affine else parent
                if not any(parameter.requires_grad for parameter in judged.parameters()):
                    found.append(module)
    return list(dict.fromkeys(found))
