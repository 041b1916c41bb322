"""How a model or a preprocessing is built again, as JSON: by a public name of a known library, never by code.

A recipe is checked when it is written: what it builds must look the same as what it was made from.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from notebookviz.errors import LoadingError
from notebookviz.finetune import lora
from notebookviz.finetune.layers import outputs_of, with_outputs
from notebookviz.finetune.processed import Processed

if TYPE_CHECKING:
    from collections.abc import Mapping

Recipe = dict[str, Any]
_TRANSFORMS: Final = "torchvision.transforms"
_HOMES: Final = (_TRANSFORMS, "timm.data.transforms")
_FEW: Final = 16  # numbers of a mean or a deviation
# No weights are fetched or drawn: they are loaded afterwards.
_UNUSED: Final = {"weights_backbone": None, "init_weights": False}
_PLAIN: Final = (bool, int, float, str, type(None))


def model_recipe(model: nn.Module) -> Recipe | None:
    """How to build a model of torchvision, timm or transformers; None for others, and for one that was rebuilt.

    Example:
        >>> import torchvision
        >>> model_recipe(torchvision.models.resnet18())
        {'library': 'torchvision', 'name': 'resnet18'}
    """
    if "forward" in vars(model):
        return None
    beside = lora.described(model)
    for recipe in _candidates(model):
        with suppress(Exception):  # a candidate that can't be built is none
            with torch.device("meta"):
                made = plain_model(recipe)
                fit_heads(made, {name: tensor.shape for name, tensor in model.state_dict().items()})
                if beside is not None:
                    lora.inject(made, beside)
            if type(made) is type(model) and repr(made) == repr(model) and _shapes(made) == _shapes(model):
                return recipe
    return None


def build_model(recipe: Mapping[str, Any], shapes: Mapping[str, torch.Size]) -> nn.Module:
    """Build a model by its recipe, with heads as wide as the weights that will be loaded.

    Raises:
        LoadingError: The library is none of the three, or does not know the name.
    """
    try:
        model = plain_model(dict(recipe))
    except LoadingError:
        raise
    except Exception as error:
        raise LoadingError(
            f"The model {recipe.get('name')!r} of {recipe.get('library')!r} can't be built: {error}",
            hint="Build it yourself: load_fine_tuned(folder, model).",
        ) from error
    fit_heads(model, shapes)
    return model


def fit_heads(model: nn.Module, shapes: Mapping[str, torch.Size]) -> None:
    """Give layers the number of outputs that the weights have, where only that differs."""
    for path, layer in list(model.named_modules()):
        shape = shapes.get(f"{path}.weight" if path else "weight")
        own = getattr(layer, "weight", None)
        if shape is None or outputs_of(layer) is None or own is None or own.shape == shape:
            continue
        if len(shape) == own.dim() and own.shape[1:] == shape[1:] and path:
            above, _, name = path.rpartition(".")
            model.get_submodule(above)._modules[name] = with_outputs(  # noqa: SLF001 - names may be numbers
                layer, shape[0], path=path
            )


def transform_recipe(transform: Any) -> Recipe | None:  # noqa: ANN401 - any preprocessing
    """How to build a preprocessing of torchvision or timm, or an image processor of transformers; None for others.

    Example:
        >>> from torchvision import transforms
        >>> transform_recipe(transforms.Compose([transforms.CenterCrop(8), transforms.ToTensor()]))["name"]
        'torchvision.transforms.transforms.Compose'
    """
    if transform is None:
        return None
    if isinstance(transform, Processed):
        transform = transform.processor
    with suppress(Exception):  # what can't be described or built again is not kept
        recipe = _described(transform)
        made = build_transform(recipe)
        if type(made) is type(transform) and _described(made) == recipe:
            return recipe
    return None


def build_transform(recipe: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a callable
    """Build a preprocessing by its recipe.

    Raises:
        LoadingError: It names something that is no preprocessing of these libraries.
    """
    name, settings = str(recipe["name"]), recipe["settings"]
    if recipe.get("library") == "transformers":
        kind: Any = getattr(importlib.import_module("transformers"), name, None)
        base = importlib.import_module("transformers.image_processing_base").ImageProcessingMixin
        if not _is_subclass(kind, base):
            raise LoadingError(f"{name!r} is no image processor of transformers.", hint="Pass transform=….")
        return kind.from_dict(settings)
    kind = _transform_class(name)
    values = {key: _value(item) for key, item in settings.items()}
    # Presets keep a number as a list of one; timm keeps an interpolation that it was given by name.
    single = {key: item[0] if isinstance(item, list) and len(item) == 1 else item for key, item in values.items()}
    named = {key: item.value if isinstance(item, enum.Enum) else item for key, item in values.items()}
    for given in (values, single, named):
        with suppress(TypeError, ValueError, KeyError):
            made = kind(**given)
            if _described(made) == recipe:
                return made
    raise LoadingError(f"{name!r} can't be made again from what was kept of it.", hint="Pass transform=….")


def _transform_class(name: str) -> Any:  # noqa: ANN401 - a class
    module, _, kind = name.rpartition(".")
    refusal = LoadingError(f"{name!r} is no preprocessing of torchvision or timm.", hint="Pass transform=….")
    if not f"{module}.".startswith(tuple(f"{home}." for home in _HOMES)):
        raise refusal
    found = getattr(importlib.import_module(module), kind, None)
    if not inspect.isclass(found) or not found.__module__.startswith(_HOMES) or issubclass(found, enum.Enum):
        raise refusal
    return found


def _described(transform: Any) -> Recipe:  # noqa: ANN401
    kind = type(transform)
    if kind.__module__.startswith("transformers.") and hasattr(transform, "to_dict"):
        settings = json.loads(transform.to_json_string())
        return {"library": "transformers", "name": kind.__name__, "settings": settings}
    name = f"{kind.__module__}.{kind.__qualname__}"
    _transform_class(name)
    accepted = list(inspect.signature(kind.__init__).parameters.values())[1:]
    settings = {}
    for item in accepted:
        if hasattr(transform, item.name):
            settings[item.name] = _text(getattr(transform, item.name))
        elif item.default is item.empty:
            raise TypeError(item.name)
    return {"library": "torchvision", "name": name, "settings": settings}


def _text(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, enum.Enum):
        return {"interpolation": value.value}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, torch.Tensor) and value.numel() <= _FEW:
        return {"tensor": value.tolist(), "of": str(value.dtype).removeprefix("torch.")}
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, (list, tuple)):
        return [_text(item) for item in value]
    return _described(value)


def _value(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_value(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "interpolation" in value:
        return importlib.import_module(_TRANSFORMS).InterpolationMode(value["interpolation"])
    if "dtype" in value:
        return _dtype(value["dtype"])
    if "tensor" in value:
        return torch.tensor(value["tensor"], dtype=_dtype(value["of"]))
    return build_transform(value)


def _dtype(name: object) -> torch.dtype:
    found = getattr(torch, str(name), None)
    if not isinstance(found, torch.dtype):
        raise LoadingError(f"{name!r} is no data type.", hint="Pass transform=….")
    return found


def _candidates(model: nn.Module) -> list[Recipe]:
    kind = type(model)
    library = kind.__module__.partition(".")[0]
    if library == "transformers" and hasattr(model, "config"):
        config = json.loads(model.config.to_json_string(use_diff=False))  # type: ignore[operator, union-attr]
        return [{"library": library, "name": kind.__name__, "config": config}]
    if library == "timm":
        named = getattr(model, "pretrained_cfg", None) or {}
        return [{"library": library, "name": named["architecture"]}] if "architecture" in named else []
    if library == "torchvision":
        import torchvision

        home = importlib.import_module(kind.__module__)
        names = [name for name in torchvision.models.list_models() if hasattr(home, name.rpartition("/")[2])]
        return [{"library": library, "name": name} for name in names]
    return []


def plain_model(recipe: Mapping[str, Any]) -> nn.Module:
    """The model of a recipe as its library builds it, with first weights of its own.

    Raises:
        LoadingError: No library builds it by name.
    """
    library, name = recipe.get("library"), str(recipe.get("name"))
    if library == "torchvision":
        import torchvision

        known = builder_options(name)
        options = {key: value for key, value in _UNUSED.items() if key in known}
        return torchvision.models.get_model(name, weights=None, **options)  # type: ignore[no-any-return]
    if library == "timm":
        timm = importlib.import_module("timm")
        if not timm.is_model(name):
            raise LoadingError(
                f"{name!r} is no model of timm.", hint="Build it yourself: load_fine_tuned(folder, model)."
            )
        return timm.create_model(name, pretrained=False)  # type: ignore[no-any-return]
    if library == "transformers":
        transformers = importlib.import_module("transformers")
        kind: Any = getattr(transformers, name, None)
        if not _is_subclass(kind, transformers.PreTrainedModel):
            raise LoadingError(
                f"{name!r} is no model of transformers.", hint="Build it yourself: load_fine_tuned(folder, model)."
            )
        return kind(kind.config_class.from_dict(recipe["config"]))  # type: ignore[no-any-return]
    raise LoadingError(
        f"Models of {library!r} are not built by name.", hint="Build it yourself: load_fine_tuned(folder, model)."
    )


def _is_subclass(kind: object, base: type) -> bool:
    return inspect.isclass(kind) and issubclass(kind, base)


def builder_options(name: str) -> set[str]:
    """Options of a builder of torchvision, and of the classes beside it."""
    import torchvision

    builder = torchvision.models.get_model_builder(name)
    home = importlib.import_module(builder.__module__)
    kinds = [kind for kind in vars(home).values() if inspect.isclass(kind) and kind.__module__ == home.__name__]
    return {option for item in (builder, *kinds) for option in inspect.signature(item).parameters}


def _shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in model.state_dict().items() if isinstance(tensor, torch.Tensor)}
