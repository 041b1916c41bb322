"""What a user passes as model and input: checked, and brought into one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from notebookviz.capture import inputs, naming
from notebookviz.capture.calls import forward_names, keyword_names, only_keywords
from notebookviz.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

Call = tuple[tuple[Any, ...], dict[str, Any]]


def check_model(model: Any) -> nn.Module:  # noqa: ANN401
    """Refuse what is not a model, in one sentence with the next step.

    Raises:
        InputError: It is not an ``nn.Module`` object.
    """
    if isinstance(model, nn.Module):
        return model
    wanted = "Expected a torch.nn.Module, got"
    if model is None:
        raise InputError(f"{wanted} None.", hint="Pass the model itself: show(model).")
    if isinstance(model, type):
        name = naming.clean(model.__name__)
        raise InputError(f"{wanted} the class {name}.", hint=f"Make an object of it first: show({name}(...)).")
    if isinstance(model, str):
        shown = naming.cut(repr(model), 80)
        raise InputError(f"{wanted} the string {shown}.", hint="For a file use the magic: %netron path/to/model.onnx.")
    if isinstance(model, torch.Tensor):
        raise InputError(f"{wanted} a tensor.", hint="Pass the model first, then its inputs: show(model, x).")
    if isinstance(model, dict) and model and all(isinstance(item, torch.Tensor) for item in model.values()):
        raise InputError(
            f"{wanted} a state dict of {len(model):,} tensors.",
            hint="Load it into its model and pass that: model.load_state_dict(...).",
        )
    if callable(model) and hasattr(model, "__name__"):
        name = naming.clean(str(model.__name__))
        hint = (
            "Write it as an nn.Module." if name == "<lambda>" else f"Call it and pass what it returns: show({name}())."
        )
        raise InputError(f"{wanted} the function {name}.", hint=hint)
    raise InputError(f"{wanted} {_article(type(model).__name__)}.", hint="Pass the model itself: show(model).")


def normalise(  # noqa: C901 (one rule after another)
    model: nn.Module,
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None,
    input_size: Any = None,  # noqa: ANN401 (checked here)
    dtypes: Any = None,  # noqa: ANN401 (checked here)
) -> Call | None:
    """Turn what the user passed into the arguments of one forward call.

    A tuple of tensors is unpacked; a list is one argument; a dict, or what a tokenizer returns, is keyword arguments
    where its keys are parameters of ``forward``, else one argument.

    Returns:
        Positional and keyword arguments, or None where the user passed nothing.

    Raises:
        InputError: The input is of a kind that no model takes, or is given twice.
    """
    args = tuple(args)
    named = dict(kwargs or {})
    if input_size is not None:
        if args or named:
            raise InputError("Got inputs and input_size=.", hint="Pass one of them.")
        return _sized(model, input_size, dtypes), {}
    if dtypes is not None:
        raise InputError("Got dtypes= without input_size=.", hint="Pass input_size=(1, 3, 224, 224) too, or the input.")
    if not args and not named:
        return None
    first = args[0] if len(args) == 1 else None
    if isinstance(first, tuple) and first:
        if all(isinstance(item, int) for item in first):
            raise InputError(
                f"Got the tuple {naming.cut(str(first), 80)} as input.", hint=f"Did you mean input_size={first}?"
            )
        if any(isinstance(item, torch.Tensor) for item in first):
            args = first
    only = args[0] if len(args) == 1 else None
    if isinstance(only, Mapping) and only and not named and _are_arguments(model, only):
        args, named = (), dict(only)
    _refuse_plain(args, named)
    for at, item in enumerate(args):
        _check(item, f"Input {at}")
    for name, item in named.items():
        _check(item, f"Input {name}")
    return args, named


def _sized(model: nn.Module, input_size: Any, dtypes: Any) -> tuple[torch.Tensor, ...]:  # noqa: ANN401
    shapes = _shapes(input_size)
    kinds: Sequence[Any] = dtypes if isinstance(dtypes, (list, tuple)) else [dtypes] * len(shapes)
    if len(kinds) != len(shapes):
        raise InputError(
            f"Got {len(shapes)} shapes in input_size= and {len(kinds)} dtypes.", hint="Pass one dtype for each shape."
        )
    device, dtype = inputs.placement(model)
    found = []
    for shape, kind in zip(shapes, kinds, strict=True):
        if kind is not None and not isinstance(kind, torch.dtype):
            raise InputError(
                f"dtypes= got {naming.cut(repr(kind), 80)}; it wants a torch.dtype.", hint="Pass dtypes=torch.int64."
            )
        chosen = kind or (torch.int64 if inputs.wants_indices(model) else dtype)
        found.append(torch.zeros(shape, dtype=chosen, device=device))
    return tuple(found)


def _shapes(input_size: Any) -> list[tuple[int, ...]]:  # noqa: ANN401
    if isinstance(input_size, int) and not isinstance(input_size, bool):
        input_size = (input_size,)
    shapes = input_size if _is_nested(input_size) else [input_size]
    found = []
    for shape in shapes:
        if not isinstance(shape, (tuple, list, torch.Size)) or not all(
            isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in shape
        ):
            raise InputError(
                f"input_size= got {naming.cut(repr(input_size), 80)}; it wants one shape or a list of shapes.",
                hint="Pass input_size=(1, 3, 224, 224).",
            )
        found.append(tuple(shape))
    return found


def _is_nested(input_size: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(input_size, (list, tuple))
        and bool(input_size)
        and all(isinstance(item, (list, tuple)) for item in input_size)
    )


def _refuse_plain(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Refuse inputs among which nothing can be a tensor: only strings and numbers."""
    items = (*args, *named.values())
    if not args or not all(isinstance(item, (str, int, float)) for item in items):
        return
    shown = naming.cut(", ".join(map(repr, args)), 80)
    if all(isinstance(item, int) and not isinstance(item, bool) for item in args):
        raise InputError(f"Got the numbers {shown} as inputs.", hint=f"Did you mean input_size={args}?")
    raise InputError(f"Got {shown} as input; a torch.Tensor is wanted.", hint="Pass show(model, x).")


def _check(item: Any, what: str) -> None:  # noqa: ANN401
    kind = type(item)
    if kind.__module__.partition(".")[0] == "numpy":
        raise InputError(
            f"{what} is a numpy {kind.__name__}; a torch.Tensor is wanted.", hint="Pass torch.from_numpy(x)."
        )
    if isinstance(item, (list, tuple)) and _numbers(item):
        raise InputError(
            f"{what} is a {kind.__name__} of numbers; a torch.Tensor is wanted.",
            hint="Pass torch.tensor(x), or a shape as input_size=.",
        )


def _numbers(item: Any) -> bool:  # noqa: ANN401
    for _ in range(8):
        if not isinstance(item, (list, tuple)) or not item:
            break
        item = item[0]
    return isinstance(item, (int, float)) and not isinstance(item, bool)


def _are_arguments(model: nn.Module, given: Mapping[Any, Any]) -> bool:
    """Whether the keys name arguments of ``forward``."""
    kind = type(naming.unwrap(model))
    names = frozenset((*forward_names(kind), *keyword_names(kind)))
    return all(isinstance(key, str) and (key in names or only_keywords(kind)) for key in given)


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {naming.clean(name)}"
