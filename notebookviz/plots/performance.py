"""How a training went, and where the model is wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from matplotlib.ticker import MaxNLocator

from notebookviz.errors import InputError
from notebookviz.finetune.evaluation import Evaluation
from notebookviz.finetune.result import Training
from notebookviz.finetune.trying import LearningRates
from notebookviz.plots.figure import BLUE, GREEN, INK, ORANGE, Plot, drawing, ink_on, shown
from notebookviz.plots.pixels import picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_NAMED = 24  # classes whose names and counts can be read


def curves(training: Any) -> Plot:  # noqa: ANN401 - a Training, or its history
    """The curves of a training: loss, what was measured, and the learning rate, over the epochs.

    Args:
        training: What :func:`notebookviz.fine_tune` returned, or its ``history``.

    Returns:
        A figure.

    Raises:
        InputError: It has no epochs.

    Example:
        >>> import pandas as pd
        >>> history = pd.DataFrame({"train_loss": [2.0, 1.0], "val_loss": [2.1, 1.5], "lr": [0.1, 0.0]}, index=[1, 2])
        >>> curves(history)
        <Curves over 2 epochs: loss, learning rate>
    """
    best = training.best if isinstance(training, Training) else None
    history = training.history if isinstance(training, Training) else training
    columns = [name for name in getattr(history, "columns", ()) if isinstance(name, str)]
    if not any(name.startswith("train_") for name in columns) or not len(history):
        raise InputError(
            f"curves() got {type(training).__name__} without epochs.",
            hint="Pass what fine_tune returned, or its .history.",
        )
    history = history.loc[:, ~history.columns.duplicated()]
    names = list(dict.fromkeys(name.partition("_")[2] for name in columns if name.startswith(("train_", "val_"))))
    titles = [*names, *(["learning rate"] if "lr" in columns else [])]
    across = 2 if len(titles) == 4 else min(len(titles), 3)  # noqa: PLR2004 - two rows of two
    said = f"Curves over {len(history)} epochs: {', '.join(titles)}"
    with drawing(said, math.ceil(len(titles) / across), across, (3.6, 2.7)) as (figure, axes):
        for axis, title in zip(axes, titles, strict=False):
            if title == "learning rate":
                _line(axis, history["lr"], GREEN, "-", "s", "")
            for part, colour, line, mark in (("train", BLUE, "-", "o"), ("val", ORANGE, "--", "D")):
                if f"{part}_{title}" in columns:
                    _line(
                        axis,
                        history[f"{part}_{title}"],
                        colour,
                        line,
                        mark,
                        "validation" if part == "val" else "training",
                    )
            axis.set(title=_title(title), xlabel="epoch", ylabel="")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            if title == names[0]:
                if best is not None:
                    axis.axvline(best.epoch, color=INK, linewidth=1, linestyle=":", label=f"best {best.name}")
                axis.legend()
        for axis in axes[len(titles) :]:
            axis.remove()
    return figure


def learning_rates(found: Any) -> Plot:  # noqa: ANN401 - what find_learning_rate gave
    """What a range test found: the loss over the learning rates, and the suggestion.

    Args:
        found: What :func:`notebookviz.find_learning_rate` returned.

    Returns:
        A figure.

    Raises:
        InputError: It is something else.

    Example:
        >>> from notebookviz.finetune.trying import LearningRates
        >>> learning_rates(LearningRates((1e-3, 1e-2), (2.0, 1.0), (2.0, 1.5), 1e-3))
        <Loss over 2 learning rates, suggestion 1.0e-03>
    """
    if not isinstance(found, LearningRates):
        raise InputError(
            f"learning_rates() got {type(found).__name__}; what find_learning_rate found is wanted.",
            hint="Pass what find_learning_rate(model, loader) returned.",
        )
    finite = [loss for loss in (*found.losses, *found.smoothed[:1]) if math.isfinite(loss)]
    if not finite:
        raise InputError("No loss of this range test is a number.", hint="Look at the data, and at one batch's loss.")
    said = "none" if found.suggestion is None else f"{found.suggestion:.1e}"
    with drawing(f"Loss over {len(found.rates)} learning rates, suggestion {said}", 1, 1, (6, 3.5)) as (
        figure,
        (axis,),
    ):
        axis.plot(found.rates, found.losses, color=BLUE, alpha=0.3, label="loss")
        axis.plot(found.rates, found.smoothed, color=BLUE, label="smoothed")
        if found.suggestion is not None:
            axis.axvline(found.suggestion, linestyle="--", color=INK, linewidth=1, label=f"suggestion {said}")
        axis.set(xscale="log", xlabel="learning rate", ylabel="loss")
        axis.xaxis.set_major_formatter("{x:g}")  # the default writes mathematics, which is not set here
        axis.xaxis.set_minor_formatter("")
        lowest = min(range(len(found.smoothed)), key=lambda at: _or_infinite(found.smoothed[at]))
        falling = [*found.losses[: lowest + 1], *found.smoothed[: lowest + 1]]
        low, high = min(finite), max([loss for loss in falling if math.isfinite(loss)] or finite)
        margin = 0.1 * (high - low) or 1.0
        axis.set_ylim(low - margin, high + margin)  # a loss that has left all bounds would flatten the rest
        axis.legend()
    return figure


def confusion_matrix(evaluation: Any, labels: Sequence[str] | None = None) -> Plot:  # noqa: ANN401 - or a matrix
    """What is taken for what: a row for each true class, a column for each that the model said.

    The colour is the part of the row, the number the count.

    Args:
        evaluation: What :func:`notebookviz.evaluate` returned, or a square matrix of counts.
        labels: Names of the classes; those of the evaluation without it.

    Returns:
        A figure.

    Raises:
        InputError: It is no matrix of counts.

    Example:
        >>> confusion_matrix([[9, 1], [2, 8]], ["cat", "dog"])
        <Confusion matrix of 2 classes, 17 of 20 right>
    """
    import seaborn as sns

    given = evaluation.confusion if isinstance(evaluation, Evaluation) else evaluation
    names = tuple(labels or ()) or (evaluation.labels if isinstance(evaluation, Evaluation) else ())
    if given is None:
        raise _no_counts(f"an evaluation of a {evaluation.task} task")
    matrix = _counts(given)
    count, right = len(matrix), int(matrix.diagonal().sum())
    names = tuple(shown(name, 32) for name in (names if len(names) == count else range(count)))
    parts = (matrix / matrix.sum(1, keepdim=True).clamp(min=1)).double().numpy()
    side = min(max(count * 0.42 + 1.8, 3.4), 11)
    said = f"Confusion matrix of {count} classes, {right:,} of {int(matrix.sum()):,} right"
    with drawing(said, 1, 1, (side + 0.8, side)) as (figure, (axis, *_)):
        ticks = names if count <= _NAMED else False
        bar = {"label": "part of the true class", "shrink": 0.8}
        sns.heatmap(
            parts,
            vmin=0,
            vmax=1,
            cmap="cividis",
            square=True,
            ax=axis,
            cbar_kws=bar,
            xticklabels=ticks,
            yticklabels=ticks,
        )
        if count <= _NAMED:
            colours = axis.collections[0].cmap(parts)
            for row in range(count):
                for column in range(count):
                    number, ink = int(matrix[row, column]), ink_on(*colours[row, column][:3])
                    if number:
                        axis.text(column + 0.5, row + 0.5, f"{number:,}", color=ink, ha="center", va="center", size=9)
        axis.grid(visible=False)
        axis.tick_params(length=0)
        axis.tick_params(axis="x", rotation=90 if max(map(len, names)) > 3 else 0)  # noqa: PLR2004 - as wide as a cell
        axis.tick_params(axis="y", rotation=0)
        axis.set(title=f"{right / max(int(matrix.sum()), 1):.1%} right", xlabel="said by the model", ylabel="true")
    return figure


def _counts(given: Any) -> torch.Tensor:  # noqa: ANN401 - whatever was passed for a matrix
    """A square matrix of counts."""
    try:
        matrix = torch.as_tensor(given.to_numpy(copy=True) if hasattr(given, "to_numpy") else given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _no_counts(type(given).__name__) from error
    if matrix.dim() != 2 or not matrix.shape[0] == matrix.shape[1] > 0:  # noqa: PLR2004 - rows and columns
        raise _no_counts(str(tuple(matrix.shape)))
    if matrix.is_complex() or not bool((matrix.isfinite() & (matrix >= 0)).all()):
        raise _no_counts("numbers that are no counts (negative, NaN or infinite)")
    return matrix


def _no_counts(what: str) -> InputError:
    return InputError(
        f"confusion_matrix() got {what}; a square matrix of counts is wanted.",
        hint="Pass what evaluate() returned for a model with classes.",
    )


def mistakes(evaluation: Evaluation, count: int = 12) -> Plot:
    """The worst mistakes as pictures: what is true, what the model said, and how sure it was.

    Each picture is stretched from its own darkest to its own brightest value, because the preprocessing is not known.

    Args:
        evaluation: What :func:`notebookviz.evaluate` returned.
        count: How many at most.

    Returns:
        A figure.

    Raises:
        InputError: There are no mistakes, the inputs are no images, or it is something else.
    """
    if not isinstance(evaluation, Evaluation):
        raise InputError(
            f"mistakes() got {type(evaluation).__name__}; what evaluate found is wanted.",
            hint="Pass what evaluate(model, loader) returned.",
        )
    chosen = evaluation.mistakes[:count]
    if not chosen:
        raise InputError("There is no mistake to show.", hint="evaluate(…, worst=16) keeps the worst ones.")
    shape = tuple(chosen[0].input.shape)
    if len(shape) != 3 or shape[0] not in (1, 3) or not min(shape):  # noqa: PLR2004 - channels, height, width
        raise InputError(
            f"The inputs have the shape {shape}; images (1 or 3 channels, height, width) can be shown.",
            hint="Look at evaluation.mistakes.",
        )
    across = min(len(chosen), 6)
    with drawing(f"The {len(chosen)} worst mistakes", math.ceil(len(chosen) / across), across, (1.75, 2.2)) as (
        figure,
        axes,
    ):
        for axis, mistake in zip(axes, chosen, strict=False):
            axis.imshow(picture(mistake.input), interpolation="nearest", cmap="gray")
            axis.set_axis_off()
            sure = f"{mistake.probability:.0%} sure" if evaluation.task != "regression" else ""
            text = f"{_short(mistake.label)} is said\nto be {_short(mistake.predicted)}\n{sure}".rstrip()
            axis.set_title(text, fontsize=9, fontweight="normal", loc="center")
        for axis in axes[len(chosen) :]:
            axis.remove()
    return figure


def _line(axis: Axes, values: Any, colour: str, line: str, mark: str, label: str) -> None:  # noqa: ANN401, PLR0913, PLR0917
    import seaborn as sns

    sns.lineplot(x=values.index, y=values, ax=axis, color=colour, linestyle=line, marker=mark, label=label or None)


def _title(name: str) -> str:
    return {"f1": "F1", "r2": "R²", "mae": "mean absolute error"}.get(name, shown(name, 40))


def _short(text: str) -> str:
    return shown(text, 16)  # what fits over a picture


def _or_infinite(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
