"""The cells that build a model as it is: load, head, starting weights, what learns."""

from __future__ import annotations

import hashlib
import json
import pprint
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from notebookviz.capture import naming
from notebookviz.errors import InputError, MissingExtraError
from notebookviz.files import write_atomically
from notebookviz.finetune import recipes
from notebookviz.finetune.modes import frozen_norms
from notebookviz.finetune.pretrained import equal, public_name, recognised
from notebookviz.modules import Modules
from notebookviz.writing.code import Names, UnwritableError, import_lines, literal, make, needed, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import Tensor, nn

    from notebookviz.finetune.pretrained import Pretrained


@dataclass(frozen=True, slots=True)
class Built:
    """The first cells, and what is left to say.

    Attributes:
        load: The cell that makes the model.
        head: The cell that gives it its head.
        tensors: The starting values that these cells don't give, to be kept in a file.
    """

    load: str
    head: str
    tensors: Mapping[str, Tensor]


def built(model: nn.Module, name: str, heads: Iterable[str], names: Names, seed: int) -> Built:
    """How a model is made by plain PyTorch.

    Args:
        model: The model as it is.
        name: Its variable.
        heads: Paths of the layers that make its scores.
        names: The notebook's variables.
        seed: Tried for the head's first weights.

    Raises:
        InputError: It is none of a known library, and has no name.
    """
    recipe = recipes.model_recipe(model)
    state = {key: value for key, value in model.state_dict().items() if isinstance(value, torch.Tensor)}
    weights = recognised(recipe, state)
    if recipe is None:
        if names.of(model) != name:
            raise InputError(
                f"This {type(model).__name__} is no model of torchvision, timm or transformers, and has no name in the "
                "notebook.",
                hint="Assign it to a variable in a cell of its own: model = ….",
            )
        load = f"# 1. Load: {name} is what your own cell above makes.\nimport torch\n\nprint(type({name}).__name__)"
        bare: dict[str, torch.Size] = {}
        tensors = state
    else:
        load, bare = _load(recipe, name, weights)
        found = weights.tensors if weights is not None else {}
        tensors = {key: value for key, value in state.items() if not equal(found.get(key), value)}
    changed = _changed(model, bare) if recipe is not None else [path for path in heads if _writable(model, path, names)]
    head, made = _head(model, name, changed or list(heads), names, seed, new=bool(changed))
    tensors = {key: value for key, value in tensors.items() if not equal(made.get(key), value)}
    return Built(load, head, tensors)


@dataclass(frozen=True, slots=True)
class Start:
    """The file with the starting values; nothing is written before :meth:`write`.

    Attributes:
        path: Where it goes.
        data: What goes into it.
    """

    path: str
    data: bytes

    def write(self) -> None:
        """Write it, whole or not at all.

        Raises:
            InputError: It can't be written.
        """
        write_atomically(self.path, self.data)


def start(tensors: Mapping[str, Tensor], path: str | None) -> Start:
    """Starting values as a file without pickle; without a path it is named after its content."""
    try:
        from safetensors.torch import save
    except ImportError as error:
        raise MissingExtraError("safetensors", extra="train") from error
    data = save({key: value.detach().cpu().contiguous().clone() for key, value in tensors.items()})
    return Start(path or f"fine_tuning_start_{hashlib.sha256(data).hexdigest()[:8]}.safetensors", data)


def start_cell(name: str, path: str, count: int, total: int) -> str:
    """The cell that loads them."""
    what = "all" if count == total else f"{count:,} of {total:,} tensors"
    return (
        f"# The weights to start from ({what}): those of the model when these cells were written.\n"
        "from safetensors.torch import load_file\n\n"
        f"{name}.load_state_dict(load_file({path!r}), strict={count == total})"
    )


def learning_cell(model: nn.Module, name: str) -> str:
    """The cell that says what learns."""
    parameters = dict(model.named_parameters())
    learning = {key for key, parameter in parameters.items() if parameter.requires_grad}
    count = f'print(f"{{sum(p.numel() for p in {name}.parameters() if p.requires_grad):,}} parameters learn")'
    if len(learning) == len(parameters):
        return f"# 3. What learns: all of it.\n{name}.requires_grad_(True)\n{count}"
    shortest = prefixes(learning, parameters)
    listed = ", ".join(map(repr, shortest))
    return (
        f"# 3. What learns: only these parts; the rest is frozen.\n"
        f"learning = ({listed},)\n"
        f"for key, parameter in {name}.named_parameters():\n"
        f"    parameter.requires_grad_(key.startswith(learning))\n{count}"
    )


def prefixes(chosen: Iterable[str], among: Iterable[str]) -> list[str]:
    """The shortest beginnings that mean these names and no others.

    Example:
        >>> prefixes({"fc.weight", "fc.bias", "a.b.weight"}, ["a.b.weight", "a.b.bias", "fc.weight", "fc.bias"])
        ['a.b.weight', 'fc.']
    """
    chosen, others = set(chosen), set(among) - set(chosen)
    found: list[str] = []
    for name in among:
        if name not in chosen or any(name.startswith(each) for each in found):
            continue
        parts = name.split(".")
        tried = [".".join(parts[:depth]) + "." for depth in range(1, len(parts))]
        short = next((each for each in tried if not any(other.startswith(each) for other in others)), name)
        found = [each for each in found if not each.startswith(short)] + [short]
    return found


def norms_lines(model: nn.Module, name: str) -> list[str]:
    """The lines that leave frozen norms in eval mode while the rest trains."""
    frozen = set(map(id, frozen_norms(model)))
    if not frozen:
        return []
    own = [key for key, module in model.named_modules() if id(module) in frozen]
    plain = {
        id(module)
        for module in model.modules()
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)  # noqa: SLF001 - what its three kinds share
        and not any(parameter.requires_grad for parameter in module.parameters())
    }
    if plain == frozen:
        return [
            f"for module in {name}.modules():  # frozen BatchNorm keeps its statistics",
            "    if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):",
            "        module.train(any(parameter.requires_grad for parameter in module.parameters()))",
        ]
    return [f"for key in {own!r}:  # frozen norms keep their statistics", f"    {name}.get_submodule(key).eval()"]


def _load(recipe: Mapping[str, Any], name: str, weights: Pretrained | None) -> tuple[str, dict[str, torch.Size]]:
    """The cell that builds a model by its library, and the shapes that it has then."""
    library, known = recipe["library"], recipe["name"]
    with torch.device("meta"):
        bare = recipes.plain_model(recipe)
    shapes = {key: value.shape for key, value in bare.state_dict().items() if isinstance(value, torch.Tensor)}
    lines = ["# 1. Load the model.", "import torch"]
    if library == "torchvision":
        import torchvision

        lines += ["import torchvision", ""]
        if weights is not None:
            lines.append(f"weights = {public_name(weights.entry)}")
        given = "weights=weights" if weights is not None else "weights=None"
        if "weights_backbone" in recipes.builder_options(known):
            given += ", weights_backbone=None"
        plain = getattr(torchvision.models, known, None) is not None
        call = f"torchvision.models.{known}({given})" if plain else f"torchvision.models.get_model({known!r}, {given})"
        lines.append(f"{name} = {call}")
    elif library == "timm":
        lines += ["import timm", "", f"{name} = timm.create_model({known!r}, pretrained=False)"]
    else:
        config = type(bare.config).__name__
        settings = pprint.pformat(_difference(bare.config), width=100, sort_dicts=False)
        lines += [f"from transformers import {config}, {known}", ""]
        lines += [f"settings = {settings}", f"{name} = {known}({config}.from_dict(settings))"]
    return "\n".join(lines), shapes


def _difference(config: Any) -> dict[str, Any]:  # noqa: ANN401 - of transformers
    """A configuration of transformers without what is its default anyway."""
    found: dict[str, Any] = json.loads(config.to_json_string(use_diff=True), parse_constant=_Endless)
    return {key: value for key, value in found.items() if not key.startswith("_") and key != "transformers_version"}


class _Endless(float):
    """NaN or an infinity, which is shown as Python reads it."""

    def __repr__(self) -> str:
        """An expression."""
        return literal(self)


def _writable(model: nn.Module, path: str, names: Names) -> bool:
    """Whether a layer can be made again by its class: whether a model of the user's own has it, nobody knows."""
    try:
        written(dict(naming.modules(model))[path], names)
    except UnwritableError:
        return False
    return bool(path)


def _changed(model: nn.Module, bare: Mapping[str, torch.Size]) -> list[str]:
    """Paths of layers with another width than the library gives them."""
    found = []
    for path, module in naming.modules(model):
        weight = getattr(module, "weight", None)
        known = bare.get(naming.join(path, "weight"))
        if isinstance(weight, torch.Tensor) and known is not None and known != weight.shape:
            found.append(path)
    return found


def _head(  # noqa: PLR0913 - what the cell is about
    model: nn.Module, name: str, paths: list[str], names: Names, seed: int, *, new: bool
) -> tuple[str, dict[str, Tensor]]:
    """The cell with the head, and the values that its layers get from the seed."""
    lines = [f"# 2. The head: {'new layers, ' if new else ''}one score for each class."]
    made: dict[str, Tensor] = {}
    modules, places = dict(naming.modules(model)), Modules(model)
    if not new:
        shown = [f"print({name}{places.expression(path)})" for path in paths]
        return "\n".join([*lines, *(shown or [f"print({name})"])]), made
    codes = [(path, needed(partial(written, modules[path], names), f"The head {path!r}")) for path in paths]
    torch.manual_seed(seed)
    for path, code in codes:
        layer = make(code, names).to(modules[path].weight.dtype)
        made |= {naming.join(path, key): value for key, value in layer.state_dict().items()}
    dtypes = {path: modules[path].weight.dtype for path in paths}
    lines += [
        *import_lines({line for _, code in codes for line in code.imports} | {"import torch"}),
        "",
        f"torch.manual_seed({seed})",
    ]
    for path, code in codes:
        kind = "" if dtypes[path] == torch.get_default_dtype() else f".to({dtypes[path]})"
        lines.append(f"{name}{places.expression(path)} = {code.text}{kind}")
    return "\n".join(lines), made
