"""Models of three libraries without weights, and what must hold after ``replace_head``."""

from __future__ import annotations

import torch

from benchmarks.coverage.shrink import VOCABULARY, parts, shrink
from notebookviz import replace_head
from notebookviz.capture import capture
from tests.capture.published import weightless

CLASSES = 7


class CheckError(AssertionError):
    """A model's head was not replaced as it must be."""


def torchvision_model(name):
    """A model of torchvision on the meta device; segmentation with its auxiliary head."""
    import torchvision

    builder = torchvision.models.get_model_builder(name)
    options = {"weights": None}
    if ".segmentation" in builder.__module__:
        options |= {"weights_backbone": None, "num_classes": 21}
        options |= {} if "lraspp" in name else {"aux_loss": True}
    try:
        with torch.device("meta"):
            return torchvision.models.get_model(name, **options)
    except NotImplementedError:  # RegNet computes its widths with tensors
        with weightless():
            return torchvision.models.get_model(name, **options).to("meta")


def torchvision_names():
    """All classifiers of torchvision: images, videos, and segmentation by pixels."""
    import torchvision

    homes = {name: torchvision.models.get_model_builder(name).__module__ for name in torchvision.models.list_models()}
    return [
        name
        for name, home in homes.items()
        if not any(part in home for part in (".detection", ".optical_flow", ".quantization"))
    ]


def timm_model(name):
    import timm

    with torch.device("meta"):
        return timm.create_model(name, pretrained=False, num_classes=1000)


def timm_names():
    """One model of each of timm's files, a small one where its name says so, and more of the large families."""
    import timm

    found = []
    for module in timm.list_modules():
        names = timm.list_models(module=module)
        small = [name for name in names if any(part in name for part in ("tiny", "nano", "pico", "small", "18", "_s"))]
        found += (small or names)[:1] + [name for name in (small or names)[1:] if len(names) > 12][:2]
    return list(dict.fromkeys(found))


def transformers_model(name):
    """A model of transformers, made small by the rule that coverage uses."""
    import transformers

    kind = getattr(transformers, name)
    config = shrink(kind.config_class())
    config.num_labels = 3
    for part in parts(config):
        _complete(part)
    with weightless():  # on the CPU: many look at their input's values
        return kind(config)


def _complete(config):
    """Settings that a configuration leaves open, and that a model can't be built or trained without."""
    config.pad_token_id, config.use_cache = 0, False
    values = vars(config)
    heads = values.get("num_attention_heads")
    usual = {"vocab_size": VOCABULARY, "num_key_value_heads": heads, "num_experts_per_tok": 1, "bos_token_id": 1}
    if isinstance(heads, int) and isinstance(values.get("hidden_size"), int):
        usual["head_dim"] = values["hidden_size"] // heads
    for name, value in usual.items():
        if values.get(name, 0) is None:
            setattr(config, name, value)


def transformers_names():
    import transformers

    ends = ("ForSequenceClassification", "ForImageClassification", "ForAudioClassification")
    return [name for name in dir(transformers) if name.endswith(ends) and not name.startswith(("Auto", "TF", "Flax"))]


def check(model, *, train=True):
    """Replace the head and check it.

    Args:
        model: The model.
        train: Whether a batch of two is run in train mode, which wants auxiliary heads too.

    Returns:
        What changed.
    """
    before = dict(model.state_dict(keep_vars=True))
    text, recorded = repr(model), capture(model)
    change = replace_head(model, CLASSES)
    heads = [model.get_submodule(layer.path) for layer in change.layers]
    scores = _scores(model, recorded, train=train)
    _want(scores, "no scores")
    _want(all(item.shape[0] == 2 and CLASSES in (item.shape[1], item.shape[-1]) for item in scores), "shape")
    total = sum(item.float().sum() for item in scores)
    for head, layer in zip(heads, change.layers, strict=True):
        (gradient,) = torch.autograd.grad(total, head.weight, allow_unused=True, retain_graph=True)
        _want(gradient is not None and gradient.shape == head.weight.shape, f"no gradient reaches {layer.path}")
        _want(head.weight.requires_grad and head.weight.dtype == before[f"{layer.path}.weight"].dtype, "dtype")
        _want(head.weight.device == before[f"{layer.path}.weight"].device, "device")
    change.undo()
    if not _is(model, before, text):  # some models change themselves in forward: what undo does is seen without one
        before, text = dict(model.state_dict(keep_vars=True)), repr(model)
        replace_head(model, CLASSES).undo()
        _want(_is(model, before, text), "undo")
    return change


def _is(model, tensors, text):
    """Whether a model has the very same tensors, and the same layers."""
    now = model.state_dict(keep_vars=True)
    return list(now) == list(tensors) and all(now[name] is tensors[name] for name in tensors) and repr(model) == text


def _scores(model, recorded, *, train):
    """The score tensors of a pass with a batch of two, on the device of the model."""
    inputs, device = {}, next(model.parameters()).device
    for argument in recorded.inputs:
        kind = recorded.values[argument.values[0]].type
        shape = (2, 3, 299, 299) if "Inception3" in repr(type(model)) else (2, *kind.shape[1:])
        inputs[argument.name] = torch.zeros(shape, dtype=getattr(torch, kind.dtype), device=device)
    words, end = inputs.get("input_ids"), getattr(getattr(model, "config", None), "eos_token_id", None)
    if words is not None:
        words += 1  # 0 is what sentences are filled up with
        if isinstance(end, int):
            words[:, -1] = end  # encoder-decoders read the sentence's last word
    modes = [(module, module.training) for module in model.modules()]
    model.train(train)
    try:
        output = model(**inputs)
    except ValueError:  # some refuse to train on an input that is as short as this one
        model.eval()
        output = model(**inputs)
    finally:
        for module, training in modes:
            module.training = training
    if isinstance(output, torch.Tensor):
        return [output]
    if hasattr(output, "logits") and not hasattr(output, "_fields"):
        return [output.logits]
    items = output.values() if isinstance(output, dict) else output
    return [item for item in items if isinstance(item, torch.Tensor)]


def _want(holds, what):
    if not holds:
        raise CheckError(what)
