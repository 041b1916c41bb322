"""Inputs for a model that was given none: a short ladder of candidates, the likeliest first.

They come from what the model itself offers: an example that it keeps, its configuration, sizes that its modules state,
the names and type hints of ``forward``, its first layers.  What a failed pass tells is tried next.
"""

from __future__ import annotations

import re
import weakref
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from notebookviz.capture import flow, layer_inputs, named_inputs, naming, signature
from notebookviz.capture.lessons import Lessons
from notebookviz.capture.named_inputs import Kit
from notebookviz.capture.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from notebookviz.capture.draft import Draft
    from notebookviz.capture.signature import Call, Parameter

LADDER = 16
PURSUED = 6
"""So many candidates in a row that failed passes suggest; then the next one of the model's own has a turn."""
Candidate = tuple[tuple[Any, ...], dict[str, Any], str]

_LISTED = re.compile(r"(?i)\b(list|sequence|iterable)\[.*tensor")
_PLAIN: dict[str, Any] = {"int": 1, "float": 1.0, "bool": False, "str": ""}
_OWN = re.compile(r"ts?|time_?steps?|time|step|sigmas?|noise_level|offsets|edge_index|(.*_)?(lengths?|lens?|masks?)")
"""Names of arguments that are never the main input."""
_PICTURE = 3
"""Numbers that tell the size of a picture: channels, height, width."""
_REMEMBERED: dict[int, tuple[weakref.ref[Any], str, Call]] = {}


class Ladder:
    """Candidate inputs of one model, at most ``LADDER`` of them.

    Args:
        model: Any model.

    Example:
        >>> [text for _, _, text in Ladder(nn.Linear(8, 2))][0]
        '1×8 float32'
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = naming.unwrap(model)
        self._kit = Kit(self._model, Settings(self._model), *placement(model))
        self._lessons = Lessons(self._kit)
        self._next: list[Call] = []
        self._now: Call = ((), {})

    def __iter__(self) -> Iterator[Candidate]:
        """Yield positional arguments, keyword arguments, and both as one line of text."""
        seen: set[Any] = set()
        for call in self._in_turn():
            text = flow.input_text(*call)
            numbers = (item for item in flow.tensors(call) if item.dtype is torch.int64 and not item.is_meta)
            key = (text, *(int(item.sum()) for item in numbers))
            if key not in seen:
                seen.add(key)
                self._now = call
                yield *call, text
            if len(seen) == LADDER:
                return

    def learn(self, draft: Draft) -> None:
        """Try next what the pass of the last candidate tells, where it failed."""
        self._next[:0] = list(self._lessons.learn(draft, self._now))

    def _in_turn(self) -> Iterator[Call]:
        """The model's own candidates, and after each what failed passes have told by then."""
        for own in islice(self._calls(), 4 * LADDER):
            yield own
            pursued = 0
            while self._next and pursued < PURSUED:
                yield self._next.pop(0)
                pursued += 1
        while self._next:
            yield self._next.pop(0)

    def _calls(self) -> Iterator[Call]:
        example = self._model.__dict__.get("example_input_array")
        if isinstance(example, torch.Tensor):
            yield (example,), {}
        elif isinstance(example, tuple):
            yield example, {}
        elif isinstance(example, dict):
            yield (), example
        taken = signature.parameters(self._model)
        yield from self._configured(taken)
        required = [item for item in taken if item.required]
        if not required and not taken and not signature.variadic(self._model):
            yield (), {}
            return
        for tensor in self._tensors():
            yield self._repeated(required, tensor)

    def _configured(self, taken: list[Parameter]) -> Iterator[Call]:
        """By the names of forward's arguments and the sizes in the model's configuration."""
        if not self._kit.settings.configured:
            return
        names = {item.name: item.hint for item in taken}
        if "input_ids" in names and "pixel_values" in names:
            picture = named_inputs.options("pixel_values", self._kit)[0]
            for ids in named_inputs.pictured_text(self._kit):
                yield (), {"input_ids": ids, "pixel_values": picture}
        main = getattr(self._model, "main_input_name", None)
        wanted = [main] if isinstance(main, str) and main in names else []
        wanted += [item.name for item in taken if item.required and item.name not in wanted]
        if wanted and "decoder_input_ids" in names and self._kit.settings.flag("is_encoder_decoder"):
            wanted.append("decoder_input_ids")
        values = {name: named_inputs.options(name, self._kit, names[name]) for name in dict.fromkeys(wanted)}
        if not values or not all(values.values()):
            return
        first = {name: found[0] for name, found in values.items()}
        yield (), first
        for name, found in values.items():
            for other in found[1:]:
                yield (), {**first, name: other}

    def _tensors(self) -> Iterator[torch.Tensor]:
        """Sizes that the model states, then sizes that suit the first layers that hold parameters."""
        found: list[nn.Module | None] = [layer for _, layer in islice(layer_inputs.layers(self._model), 4)] or [None]
        kit = self._kit
        whole = kit.settings.find("input_size")
        if isinstance(whole, (list, tuple)) and len(whole) == _PICTURE:
            yield kit.floats(1, *whole)
        if isinstance(found[0], nn.Conv2d):
            listed = any(_LISTED.search(item.hint) for item in signature.parameters(self._model)[:1])
            height, width = named_inputs.picture_size(kit, *(("fixed_size", "min_size") if listed else ()))
            yield kit.floats(1, int(found[0].in_channels), height, width)
        for at, layer in enumerate(found):
            for kind in islice(layer_inputs.shapes(layer), None if at == 0 else 2):
                yield layer_inputs.empty(kind, kit.dtype, kit.device)

    def _repeated(self, required: list[Parameter], tensor: torch.Tensor) -> Call:
        """The same input for each argument that forward wants; others by their names and type hints."""
        first = next((item for item in required if not _OWN.fullmatch(item.name.lower())), None)
        values = {item.name: _shaped(item, tensor) if item is first else self._other(item, tensor) for item in required}
        args = tuple(values[item.name] for item in required if item.positional)
        if not required:
            args = (tensor,)
        return args, {item.name: values[item.name] for item in required if not item.positional}

    def _other(self, item: Parameter, tensor: torch.Tensor) -> Any:  # noqa: ANN401
        if item.hint in _PLAIN:
            return _PLAIN[item.hint]
        named = named_inputs.options(item.name, self._kit, item.hint)
        if named and _OWN.fullmatch(item.name.lower()):
            return named[0]
        layer = self._layer_for(item.name)
        if layer is not None:
            kind = next(layer_inputs.shapes(layer))
            return _shaped(item, layer_inputs.empty(kind, self._kit.dtype, self._kit.device))
        if named and (self._embeds() or not isinstance(named[0], torch.Tensor) or named[0].is_floating_point()):
            return named[0]
        return _shaped(item, tensor.clone())

    def _layer_for(self, name: str) -> nn.Module | None:
        """The first layer inside a module that is called like the argument: ``text_encoder`` for ``text``."""
        word = name.lower().rstrip("s")
        if len(word) <= 2:  # noqa: PLR2004 (x and y say nothing)
            return None
        for path, layer in layer_inputs.layers(self._model):
            if word in re.split(r"[._]", path.lower()):
                return layer
        return None

    def _embeds(self) -> bool:
        return any(isinstance(item, (nn.Embedding, nn.EmbeddingBag)) for _, item in naming.modules(self._model))


def remember(model: nn.Module, text: str, call: Call) -> None:
    """Keep the input that was inferred for a model, as long as the model lives."""
    key = id(model)
    _REMEMBERED[key] = (weakref.ref(model, lambda _: _REMEMBERED.pop(key, None)), text, call)


def inferred(model: nn.Module, text: str) -> Call | None:
    """The input that was inferred for a model and is shown as ``text``."""
    reference, known, call = _REMEMBERED.get(id(model), (None, "", ((), {})))
    return call if reference is not None and reference() is model and known == text else None


def placement(model: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device of the model's first parameter and its first floating dtype."""
    device = None
    for _, tensor, _ in naming.tensors(model):
        device = device if device is not None else tensor.device
        if tensor.dtype.is_floating_point and tensor.dtype.itemsize > 1:
            return device, tensor.dtype
    return device or torch.device("cpu"), torch.float32


def wants_indices(model: nn.Module) -> bool:
    """Whether the first layer that holds parameters is an embedding."""
    return isinstance(layer_inputs.first_layer(model), (nn.Embedding, nn.EmbeddingBag))


def _shaped(item: Parameter, tensor: torch.Tensor) -> Any:  # noqa: ANN401
    """In a list of single pictures where the type hint says so."""
    return [tensor[0]] if _LISTED.search(item.hint) and tensor.dim() > 1 else tensor
