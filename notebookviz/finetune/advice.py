"""What the curves of a training say, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notebookviz.finetune.events import Epoch

_RISEN: Final = 1.03
_FALLEN: Final = 0.97
_LEAST: Final = 3
_BARELY: Final = 0.99


def advice(epochs: Sequence[Epoch]) -> list[str]:
    """What someone with experience would say of the curves; often nothing.

    Over-fitting is a validation loss that rises from its lowest point while the training loss goes on falling.

    Args:
        epochs: The epochs so far.

    Returns:
        Sentences.

    Example:
        >>> from notebookviz.finetune.events import Epoch
        >>> losses = [(1.0, 1.0), (0.5, 0.8), (0.2, 0.9), (0.1, 1.1)]
        >>> found = advice([Epoch(at, 4, at, train, val) for at, (train, val) in enumerate(losses, 1)])
        >>> found[0].partition(":")[0]
        'It over-fits since epoch 2'
    """
    measured = [(item.epoch, item.train_loss, item.val_loss) for item in epochs if item.val_loss is not None]
    if len(measured) >= _LEAST:
        number, train_then, val_then = min(measured, key=lambda item: item[2])
        _, train_now, val_now = measured[-1]
        if val_now > _RISEN * val_then and train_now < _FALLEN * train_then and measured[-2][2] > val_then:
            said = (
                f"It over-fits since epoch {number}: the training loss has fallen from {train_then:.3g} to "
                f"{train_now:.3g}, the validation loss has risen from {val_then:.3g} to {val_now:.3g}. More data, "
                f"augmentation, fewer layers that learn or an earlier end would help; the best epoch is {number}."
            )
            return [said]
    if len(epochs) >= _LEAST and min(item.train_loss for item in epochs[1:]) > _BARELY * epochs[0].train_loss:
        said = f"The training loss hardly falls: {epochs[0].train_loss:.3g} at first, {epochs[-1].train_loss:.3g} now."
        return [f"{said} Another learning rate, or more layers that learn, may help."]
    return []
