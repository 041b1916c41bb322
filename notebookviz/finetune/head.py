"""``replace_head``: another number of classes for a classification model."""

from __future__ import annotations

import contextlib
import gc
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from notebookviz.capture import capture, naming
from notebookviz.errors import InputError
from notebookviz.finetune.finding import Found, find_heads
from notebookviz.finetune.layers import inputs_of, outputs_of, with_outputs
from notebookviz.finetune.options import check
from notebookviz.finetune.rng import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from notebookviz.graph.records import Recording

_COUNTS: Final = re.compile(r"class|label")


@dataclass(frozen=True, slots=True)
class LayerChange:
    """One layer that was replaced.

    Attributes:
        path: Where it is.
        kind: Its class.
        inputs: Its inputs, as before.
        before: Its outputs before.
        after: Its outputs now.
    """

    path: str
    kind: str
    inputs: int | None
    before: int
    after: int

    def __str__(self) -> str:
        """One clause: ``fc: Linear 512 → 1,000 is now 512 → 10``."""
        inputs = "" if self.inputs is None else f"{self.inputs:,} → "
        return f"{self.path or 'the model'}: {self.kind} {inputs}{self.before:,} is now {inputs}{self.after:,}"


@dataclass(slots=True)
class HeadChange:
    """What :func:`replace_head` changed; ``print`` it.

    Attributes:
        layers: The layers, the main head first.
        notes: What else is worth knowing, as sentences.
    """

    layers: tuple[LayerChange, ...]
    notes: tuple[str, ...] = ()
    _steps: list[Callable[[], object]] = field(default_factory=list, repr=False)

    @property
    def path(self) -> str:
        """Path of the main head."""
        return self.layers[0].path

    def undo(self) -> None:
        """Put the old head back, with its weights and with all that was changed beside it; only the first call acts."""
        while self._steps:
            self._steps.pop()()

    def __str__(self) -> str:
        """One or two sentences."""
        return " ".join(("; ".join(map(str, self.layers)) + ", with new weights.", *self.notes))


def replace_head(  # noqa: PLR0913 - the options are keywords, and each is documented
    model: nn.Module,
    num_classes: int,
    *,
    path: str | None = None,
    inputs: Any = None,  # noqa: ANN401 - whatever forward takes
    labels: Sequence[str] | None = None,
    seed: int | None = None,
) -> HeadChange:
    """Give a classification model another number of classes.

    The layers that make the class scores are found in a recording of one forward pass, not by name: auxiliary heads
    and several heads change together.  The model is changed in place.  A new layer has the class, settings, data type,
    device and mode of the old one and starts from its class's own initialisation (in a model of ``transformers``: from
    the rule that this model has for its layers), because that is what the layers below were made to work with.  It
    always learns, also where the old one was frozen.  Numbers of classes that the model keeps (``num_classes``,
    ``config.num_labels``, ``config.id2label``) follow.

    Args:
        model: The model.
        num_classes: How many classes it shall have.
        path: The layer to replace, where it can't be found.
        inputs: An input of ``forward``, where it can't be inferred: a tensor, a tuple, or keyword arguments as a dict.
        labels: Names of the classes, for models with a ``config``.
        seed: Of the new weights; without it they are drawn from torch's generator as it is.

    Returns:
        What changed; ``print`` it, or take it back with ``.undo()``.

    Raises:
        InputError: No head was found, or it can't be replaced; the model is as it was.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 1000))
        >>> change = replace_head(model, 10)
        >>> print(change)
        1: Linear 64 → 1,000 is now 64 → 10, with new weights.
        >>> change.undo()
        >>> model[1].out_features
        1000
    """
    _check(model, num_classes, labels, seed)
    modules = dict(naming.modules(model))
    heads = _recorded(model, inputs) if path is None else _named(modules, path)
    _refuse_shared(model, modules, heads)
    change = HeadChange(())
    changes = []
    try:
        for head, new in zip(heads, _new_layers(model, modules, heads, num_classes, seed), strict=True):
            layer = modules[head.path]
            before = outputs_of(layer) or head.classes
            changes.append(LayerChange(head.path, type(layer).__name__, inputs_of(layer), before, num_classes))
            _put(model, layer, new, change)
            _count(modules, head.path, before, num_classes, change)
        _configure(modules, num_classes, labels, change)
        if path is None:
            _verify(_record(model, inputs), num_classes)
    except BaseException:
        change.undo()
        raise
    change.layers = tuple(changes)
    change.notes = tuple(_notes([modules[head.path] for head in heads]))
    return change


def _new_layers(
    model: nn.Module, modules: Mapping[str, nn.Module], heads: Sequence[Found], count: int, seed: int | None
) -> list[nn.Module]:
    with undisturbed() if seed is not None else contextlib.nullcontext():
        if seed is not None:
            torch.manual_seed(seed)
        made = []
        for head in heads:
            new = with_outputs(modules[head.path], count, path=head.path)
            _initialise(model, new)
            made.append(new)
        return made


def _check(model: nn.Module, num_classes: int, labels: Sequence[str] | None, seed: int | None) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(f"replace_head() got {type(model).__name__}; it wants a torch.nn.Module.")
    if not isinstance(num_classes, int) or isinstance(num_classes, bool) or num_classes < 1:
        raise InputError(
            f"num_classes is {num_classes!r}; it is a whole number, at least 1.", hint="For example num_classes=10."
        )
    check(labels=labels, seed=seed)
    if labels is not None and len(labels) != num_classes:
        raise InputError(f"{len(labels)} labels were passed for {num_classes} classes.", hint="Pass one for each.")


def _record(model: nn.Module, inputs: Any) -> Recording:  # noqa: ANN401 - as replace_head's
    if inputs is None:
        return capture(model)
    if isinstance(inputs, dict):
        return capture(model, (), inputs)
    return capture(model, inputs if isinstance(inputs, tuple) else (inputs,))


def _recorded(model: nn.Module, inputs: Any) -> tuple[Found, ...]:  # noqa: ANN401 - as replace_head's
    """The heads of a recorded pass, and those that only run in training."""
    recording = _record(model, inputs)
    heads = dict.fromkeys(find_heads(recording))
    if any("uncalled" in node.marks and node.initializers for node in recording.nodes):
        for enlarged in (1.0, 1.5):  # what only runs in training may want larger images
            with contextlib.suppress(InputError):
                training = find_heads(capture(model, (), _twice(recording, enlarged), mode="train"))
                classes = next(iter(heads)).classes
                heads.update(dict.fromkeys(head for head in training if head.classes == classes))
                break
    return tuple(heads)


def _twice(recording: Recording, enlarged: float) -> dict[str, torch.Tensor]:
    """The recorded inputs with a batch of two: BatchNorm in training wants more than one sample."""
    found = {}
    for argument in recording.inputs:
        for value in argument.values[:1]:
            kind = recording.values[value].type
            sides = [round(side * enlarged) for side in kind.shape[2:]] if len(kind.shape) > 3 else kind.shape[1:]  # noqa: PLR2004
            shape = (2, kind.shape[1], *sides) if len(kind.shape) > 3 else (2, *sides)  # noqa: PLR2004
            found[argument.name] = torch.zeros(1, dtype=getattr(torch, kind.dtype), device=kind.device).expand(shape)
    return found


def _named(modules: Mapping[str, nn.Module], path: str) -> tuple[Found, ...]:
    if path not in modules:
        some = ", ".join(repr(name) for name, module in modules.items() if name and outputs_of(module) is not None)
        raise InputError(
            f"path {path!r} is no module of this model.",
            where=path,
            hint=f"Layers with outputs are: {naming.cut(some, 300)}." if some else "Check the path.",
        )
    count = outputs_of(modules[path])
    if count is None:
        raise InputError(
            f"{path!r} is a {type(modules[path]).__name__}; a linear layer or a convolution is wanted.",
            where=path,
            hint="Name the layer inside it that gives the class scores.",
        )
    own = f"{path}.weight" if path else "weight"
    weight = getattr(modules[path], "weight", None)
    tied = tuple(name for name, tensor, _ in naming.tensors(modules[""]) if tensor is weight and name != own)
    return (Found(path, count, tied),)


def _refuse_shared(model: nn.Module, modules: Mapping[str, nn.Module], heads: Sequence[Found]) -> None:
    """A word head, or a layer inside a wrapper, is not what a classification model has."""
    words = _word_head(model)
    for head in heads:
        layer = modules.get(head.path)
        if layer is None:
            raise InputError(f"{head.path!r} is no layer that can be replaced.", where=head.path)
        if layer is model and outputs_of(layer) is not None:
            raise InputError(
                f"The model is the head itself (a {type(layer).__name__}), which can't be replaced in place.",
                hint="Wrap it: torch.nn.Sequential(model).",
            )
        if head.tied or layer is words:
            shared = f": its weight is also {head.tied[0]!r}" if head.tied else ""
            raise InputError(
                f"{head.path!r} is a language model's head{shared}. It gives one score for each of {head.classes:,} "
                "words, not for classes.",
                where=head.path,
                hint="Load the model for classification, for example by AutoModelForSequenceClassification.",
            )
        above = head.path.rpartition(".")[0]
        if callable(getattr(modules.get(above), "get_base_layer", None)):
            raise InputError(
                f"{above!r} is wrapped by an adapter ({type(modules[above]).__name__}, such as LoRA's).",
                where=above,
                hint="Replace the head before the adapter is added.",
            )


def _word_head(model: nn.Module) -> object:
    ask = getattr(naming.unwrap(model), "get_output_embeddings", None)
    try:
        return ask() if callable(ask) else None
    except (AttributeError, NotImplementedError):
        return None


def _initialise(model: nn.Module, layer: nn.Module) -> None:
    """Use the rule that a model of ``transformers`` has for its own layers."""
    rule = getattr(naming.unwrap(model), "_init_weights", None)
    if callable(rule) and hasattr(naming.unwrap(model), "config") and not layer.weight.is_meta:
        with torch.no_grad():
            rule(layer)


def _put(model: nn.Module, old: nn.Module, new: nn.Module, change: HeadChange) -> None:
    """Register the new layer wherever the old one is."""
    for parent in list(model.modules()):
        for name, child in list(parent._modules.items()):  # noqa: SLF001 - its register; names may hold dots
            if child is old:
                parent._modules[name] = new  # noqa: SLF001
                change._steps.append(_Restored(parent._modules, name, old))  # noqa: SLF001


def _count(modules: Mapping[str, nn.Module], path: str, before: int, after: int, change: HeadChange) -> None:
    """Change the numbers of classes that the modules above the head keep."""
    for module in _above(modules, path):
        state = vars(module)
        for name, value in list(state.items()):
            if type(value) is int and value == before and _COUNTS.search(name):
                state[name] = after
                change._steps.append(_Restored(state, name, before))  # noqa: SLF001


def _above(modules: Mapping[str, nn.Module], path: str) -> Iterator[nn.Module]:
    while path:
        path = path.rpartition(".")[0]
        if path in modules:
            yield modules[path]


def _configure(modules: Mapping[str, nn.Module], count: int, labels: Sequence[str] | None, change: HeadChange) -> None:
    """Let a ``transformers`` configuration follow."""
    config = getattr(modules[""], "config", None)
    if config is None or not isinstance(getattr(config, "id2label", None), dict):
        return
    names = list(labels) if labels is not None else [f"LABEL_{at}" for at in range(count)]
    state = vars(config)
    fresh: dict[str, Any] = {
        "id2label": dict(enumerate(names)),
        "label2id": {name: at for at, name in enumerate(names)},
    }
    if (len(config.id2label) == 1) != (count == 1):
        fresh["problem_type"] = None  # it was chosen by the old number
    for name, value in fresh.items():
        if name in state:
            change._steps.append(_Restored(state, name, state[name]))  # noqa: SLF001
            state[name] = value


def _verify(after: Recording, count: int) -> None:
    """The recording made again must end in the new number of classes."""
    if after.failure is not None:
        raise InputError(
            f"With {count:,} classes the model does not run any more: {after.failure.message} It was put back.",
            hint="Its code depends on the old number of classes; change that first.",
        )
    found = find_heads(after)[0].classes
    if found != count:
        raise InputError(f"The output still has {found:,} classes, not {count:,}. It was put back.")


def _notes(old: list[nn.Module]) -> Iterator[str]:
    if any(not parameter.requires_grad for layer in old for parameter in layer.parameters()):
        yield "The old head was frozen; the new one learns."
    if any(layer._forward_hooks or layer._forward_pre_hooks for layer in old):  # noqa: SLF001 - its register
        yield "Hooks of the old head were not carried over."
    held = {id(parameter) for layer in old for parameter in layer.parameters()}
    for item in gc.get_objects():
        if issubclass(type(item), torch.optim.Optimizer) and any(
            id(parameter) in held for group in item.param_groups for parameter in group["params"]
        ):
            yield f"The optimiser {type(item).__name__} still holds the old head: make a new one."
            return


@dataclass(frozen=True, slots=True)
class _Restored:
    """Puts a value back under its name."""

    state: dict[str, Any]
    name: str
    value: Any

    def __call__(self) -> None:
        self.state[self.name] = self.value
