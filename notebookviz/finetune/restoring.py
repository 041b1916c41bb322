"""``load_fine_tuned``: from a checkpoint back to a model that predicts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from notebookviz.errors import InputError, LoadingError
from notebookviz.finetune import checkpoint, lora, recipes
from notebookviz.finetune.checkpoint import Checkpoint
from notebookviz.finetune.modes import Modes
from notebookviz.finetune.options import check
from notebookviz.finetune.tasks import scores
from notebookviz.finetune.weights import fit


@dataclass(frozen=True, slots=True)
class FineTuned:
    """A fine-tuned model with all it needs to predict.

    Attributes:
        model: The model, in eval mode.
        labels: Names of the classes; None where none were kept.
        transform: The preprocessing; None where none was kept.
        task: What it learned: ``"single-label"``, ``"multi-label"``, ``"regression"``, ``"own loss"``.
    """

    model: nn.Module
    labels: tuple[str, ...] | None
    transform: Any
    task: str

    def predict(self, image: Any, *, top: int = 5) -> list[tuple[str, float]]:  # noqa: ANN401 - a path or an image
        """What an image shows.

        Args:
            image: The path of an image, or a PIL image.
            top: How many classes at most.

        Returns:
            Labels (numbers where there are no names) and probabilities, the most probable first; for a regression
            the values.

        Raises:
            InputError: There is no preprocessing, or the file is no image.
        """
        if self.transform is None:
            raise InputError(
                "No preprocessing was kept with this model.",
                hint="Pass it: load_fine_tuned(folder, transform=…). It turns a PIL image into a tensor.",
            )
        found = self._scores(_opened(image, self.model))
        if self.task == "regression":
            values = found
        elif self.task == "multi-label":
            values = found.sigmoid()
        else:
            values = found.softmax(0)
        names = self.labels or tuple(map(str, range(len(values))))
        pairs = [(name, float(value)) for name, value in zip(names, values, strict=False)]
        return pairs[:top] if self.task == "regression" else sorted(pairs, key=lambda pair: -pair[1])[:top]

    def _scores(self, image: Any) -> torch.Tensor:  # noqa: ANN401 - a PIL image
        device = next(self.model.parameters()).device
        prepared = self.transform(image)
        modes = Modes(self.model)
        modes.eval()
        try:
            with torch.no_grad():
                if isinstance(prepared, Mapping):
                    given = {name: _batch(value).to(device) for name, value in prepared.items()}
                    return scores(self.model(**given))[0].float().cpu()
                return scores(self.model(_batch(prepared).to(device)))[0].float().cpu()
        finally:
            modes.restore()


def load_fine_tuned(
    folder: str | os.PathLike[str],
    model: nn.Module | None = None,
    *,
    which: Literal["best", "last"] = "best",
    transform: Any = None,  # noqa: ANN401 - any preprocessing
) -> FineTuned:
    """Load what :func:`notebookviz.fine_tune` kept in a folder; nothing is unpickled and no code comes from the folder.

    A model of torchvision, timm or transformers is built by its name.  Another model must be passed, built by its own
    code; its weights are replaced, and its head is made as wide as the one that was trained.  LoRA is merged.

    Args:
        folder: The folder, or a checkpoint in it.
        model: The model, where it can't be built by name.
        which: ``"best"`` or ``"last"``.
        transform: The preprocessing, where none was kept.

    Returns:
        The model with its labels and its preprocessing; ``.predict(path)`` says what an image shows.

    Raises:
        LoadingError: The folder holds no checkpoint, or a damaged one.
        InputError: The model must be passed, or does not fit.

    Example:
        >>> tuned = load_fine_tuned("runs/flowers")  # doctest: +SKIP
        >>> tuned.predict("rose.jpg")  # doctest: +SKIP
        [('rose', 0.98), ('tulip', 0.01)]
    """
    if not isinstance(folder, (str, os.PathLike)):
        raise InputError(
            f"folder is {type(folder).__name__}; a path is wanted.", hint="Pass what fine_tune(folder=…) got."
        )
    check(which=which, transform=transform)
    path = Path(folder).expanduser()
    kept = Checkpoint.read(path if checkpoint.exists(path) else path / which)
    state = kept.state
    shapes = {name: tensor.shape for name, tensor in kept.model.items()}
    if model is None:
        if not isinstance(state.get("model"), dict):
            raise InputError(
                f"The model in {str(path)!r} can't be built by a name: it is no unchanged model of torchvision, timm "
                "or transformers.",
                where=str(path),
                hint="Build it by its own code and pass it: load_fine_tuned(folder, model).",
            )
        model = recipes.build_model(state["model"], shapes)
    elif isinstance(model, nn.Module):
        recipes.fit_heads(model, shapes)
    else:
        raise InputError(f"model is {type(model).__name__}; a torch.nn.Module is wanted.")
    beside = state.get("lora")
    with lora.again(model, beside if isinstance(beside, dict) else None):
        fit(model, kept.model)
        if state.get("extra"):
            model.load_state_dict(state["extra"], strict=False)
    if transform is None and isinstance(state.get("transform"), dict):
        transform = _transform(state["transform"])
    labels = state.get("labels")
    return FineTuned(model.eval(), None if labels is None else tuple(labels), transform, str(state.get("task", "")))


def _transform(recipe: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a callable
    made = recipes.build_transform(recipe)
    if recipe.get("library") == "transformers":
        return lambda image: made(image, return_tensors="pt")
    return made


def _batch(value: Any) -> torch.Tensor:  # noqa: ANN401 - a tensor or an array
    tensor = torch.as_tensor(value)
    return tensor if tensor.dim() == 4 else tensor[None]  # noqa: PLR2004 - (batch, channels, height, width)


def _opened(image: Any, model: nn.Module) -> Any:  # noqa: ANN401 - a PIL image
    """The image in the colours that the model takes: grey where its first convolution has one channel."""
    from PIL import Image, UnidentifiedImageError

    if not isinstance(image, Image.Image):
        try:
            with Image.open(image) as opened:
                opened.load()
                image = opened
        except (OSError, UnidentifiedImageError, AttributeError) as error:
            raise LoadingError(
                f"{str(image)!r} can't be opened as an image: {error}",
                where=str(image),
                hint="Pass the path of an image.",
            ) from error
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    return image.convert("L" if first is not None and first.in_channels == 1 else "RGB")
