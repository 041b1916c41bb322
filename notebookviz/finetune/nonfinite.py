"""Where the first value came from that is not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from torch.utils import _pytree as pytree

from notebookviz.capture import naming

if TYPE_CHECKING:
    from torch import nn

    from notebookviz.finetune.tasks import Batch

LARGEST: Final = 1 << 16  # elements: running statistics are small, tables of positions and masks are not


class Guard:
    """Keeps what a forward pass changes, so that one with a loss that is not finite can be undone and explained.

    Args:
        model: The model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._buffers = [buffer for buffer in model.buffers() if buffer.numel() <= LARGEST]
        self._kept = [buffer.clone() for buffer in self._buffers]
        self._random = torch.get_rng_state()

    def remember(self) -> None:
        """Keep the buffers (running statistics) and torch's random state."""
        self._random = torch.default_generator.get_state()
        if self._kept:
            torch._foreach_copy_(self._kept, self._buffers)

    def explain(self, part: Batch) -> str:
        """Run the batch once more, watching each module; afterwards the model is as it was remembered."""
        self.back()
        with torch.no_grad():
            sentence = _search(self._model, part)
        self.back()
        return sentence

    def back(self) -> None:
        """Put buffers and random state back to what was remembered."""
        torch.set_rng_state(self._random)
        with torch.no_grad():
            for buffer, before in zip(self._buffers, self._kept, strict=True):
                buffer.copy_(before)


def _search(model: nn.Module, part: Batch) -> str:
    if not _finite((part.args, part.kwargs)):
        return "the batch itself holds values that are not finite. Look for NaN in the data."
    broken = next((name for name, parameter in model.named_parameters() if not _finite(parameter)), None)
    if broken is not None:
        return (
            f"the weight {broken!r} was not finite any more: the steps before were too large. "
            "Lower lr, or limit the gradients by clip=1.0."
        )
    found: list[str] = []

    def watch(path: str) -> Any:  # noqa: ANN401 - a hook
        def hook(module: nn.Module, _: Any, output: Any) -> None:  # noqa: ANN401
            if not found and not _finite(output):
                found.append(f"{path or 'the model itself'!r} ({type(module).__name__})")

        return hook

    handles = [module.register_forward_hook(watch(path)) for path, module in naming.modules(model)]
    try:
        model(*part.args, **part.kwargs)
    finally:
        for handle in handles:
            handle.remove()
    if found:
        return (
            f"the first value that is not finite came out of {found[0]}. Lower lr, or limit the gradients by clip=1.0."
        )
    return (
        "every module gave finite values, so the loss function made it (a logarithm of 0, a division by 0, or a batch "
        "whose labels are all left out)."
    )


def _finite(tree: Any) -> bool:  # noqa: ANN401
    return all(
        bool(torch.isfinite(item).all())
        for item in pytree.tree_leaves(tree)
        if isinstance(item, torch.Tensor) and (item.is_floating_point() or item.is_complex())
    )
