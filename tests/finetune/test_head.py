"""``replace_head`` finds the classifier of any model, changes it, and takes it back."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from notebookviz import InputError, replace_head
from tests.finetune import heads

# One model of each family with the inputs of its heads; benchmarks/heads.py checks all there are.
FAMILIES = {
    "alexnet": [4096], "convnext_tiny": [768], "efficientnet_b0": [1280], "googlenet": [1024, 1024, 1024],
    "mobilenet_v2": [1280], "mobilenet_v3_small": [1024], "resnet50": [2048], "shufflenet_v2_x0_5": [1024],
    "squeezenet1_1": [512], "vgg11": [4096], "vit_b_32": [768], "r3d_18": [512], "fcn_resnet50": [512, 256],
    "lraspp_mobilenet_v3_large": [128, 40],
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision(name):
    change = heads.check(heads.torchvision_model(name))
    assert sorted(layer.inputs for layer in change.layers) == sorted(FAMILIES[name])


@pytest.mark.parametrize("name", ["resnet18", "deit_tiny_distilled_patch16_224", "levit_128s"])
def test_timm(name):
    model = heads.timm_model(name)
    assert len(heads.check(model).layers) == (1 if name == "resnet18" else 2)
    replace_head(model, 3)
    assert model.num_classes == 3


@pytest.mark.parametrize(
    "name", ["BertForSequenceClassification", "DistilBertForSequenceClassification", "ViTForImageClassification"]
)
def test_transformers(name):
    model = heads.transformers_model(name)
    heads.check(model)
    before = dict(model.config.id2label)
    change = replace_head(model, 2, labels=["cat", "dog"])
    assert model.config.id2label == {0: "cat", 1: "dog"}
    assert model.config.label2id == {"cat": 0, "dog": 1}
    assert (model.config.num_labels, model.num_labels) == (2, 2)
    change.undo()
    assert (model.config.id2label, model.num_labels) == (before, 3)


class Zebra(nn.Module):
    """A head that is not registered last, of an unusual name."""

    def __init__(self):
        super().__init__()
        self.zebra = nn.Linear(32, 100)
        self.body = nn.Sequential(nn.Linear(16, 32), nn.ReLU())
        self.n_classes = 100

    def forward(self, x):
        return F.log_softmax(self.zebra(self.body(x)).view(-1, self.n_classes), 1)


def test_a_head_called_zebra_that_is_not_registered_last():
    model = Zebra()
    change = replace_head(model, 7, inputs=torch.zeros(1, 16))
    assert str(change) == "zebra: Linear 32 → 100 is now 32 → 7, with new weights."
    assert (change.path, model.n_classes) == ("zebra", 7)
    assert model(torch.zeros(4, 16)).shape == (4, 7)
    change.undo()
    change.undo()
    assert model(torch.zeros(4, 16)).shape == (4, 100)


def test_dtype_device_and_mode_are_kept_and_the_head_learns():
    for device in ("cpu", "meta"):
        model = nn.Sequential(nn.Linear(16, 8), nn.Linear(8, 4)).to(device, torch.bfloat16).requires_grad_(False)
        model.train()
        model[1].eval()
        change = replace_head(model, 3)
        assert (model[1].weight.dtype, model[1].weight.device.type) == (torch.bfloat16, device)
        assert (model[0].training, model[1].training) == (True, False)
        assert [parameter.requires_grad for parameter in model.parameters()] == [False, False, True, True]
        assert "The old head was frozen; the new one learns." in str(change)


def test_initialisation_is_the_classs_own():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(400, 4))
    replace_head(model, 300)
    bound = 1 / 400**0.5
    assert float(model[0].weight.abs().max()) <= bound
    assert float(model[0].weight.std()) == pytest.approx(bound / 3**0.5, rel=0.02)
    bert = heads.transformers_model("BertForSequenceClassification").to_empty(device="cpu")
    replace_head(bert, 300)
    assert float(bert.classifier.weight.std()) == pytest.approx(bert.config.initializer_range, rel=0.05)
    assert float(bert.classifier.bias.abs().max()) == 0


def test_a_layer_registered_twice_is_replaced_twice():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 9))
    model.same = model[1]
    replace_head(nn.Sequential(*model[:2]), 3)
    holder = nn.ModuleDict({"net": nn.Sequential(model[0], model[1]), "alias": model[1]})
    holder.forward = holder["net"].forward
    replace_head(holder, 3, inputs=torch.zeros(1, 4))
    assert holder["net"][1] is holder["alias"]
    assert holder["alias"].out_features == 3


def test_subclasses_are_built_by_their_own_constructor_or_refused():
    class Scaled(nn.Linear):
        def __init__(self, in_features, out_features, scale=2.0):
            super().__init__(in_features, out_features, bias=False)
            self.scale = scale

        def forward(self, x):
            return self.scale * F.linear(F.normalize(x), F.normalize(self.weight))

    class Anything(nn.Linear):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**kwargs, "bias": False})

    model = nn.Sequential(nn.Linear(4, 4), Scaled(4, 9, scale=5.0))
    replace_head(model, 3)
    assert (type(model[1]), model[1].scale, model[1].weight.shape) == (Scaled, 5.0, (3, 4))
    with pytest.raises(InputError, match=r"^'1' is a Anything, whose settings can't be read back: args, kwargs; "):
        replace_head(nn.Sequential(nn.Linear(4, 4), Anything(4, 9)), 3)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.lm_head = nn.Linear(8, 50, bias=False)
        self.lm_head.weight = self.words.weight

    def forward(self, ids):
        return self.lm_head(self.words(ids))


class ByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(8, 10))

    def forward(self, x):
        return x @ self.matrix


class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 10)

    def forward(self, x):
        return self.fc(x) * torch.arange(10)


def lora():
    from peft import LoraConfig, inject_adapter_in_model

    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 10))
    return inject_adapter_in_model(LoraConfig(target_modules=["1"]), model)


IMAGE = {"inputs": torch.zeros(1, 8)}
REFUSED = {
    "tied": (
        Tied,
        {"inputs": torch.zeros(1, 3, dtype=torch.long)},
        r"^'words' is a language model's head: its weight is also 'lm_head\.weight'\. It gives one score ",
    ),
    "by hand": (ByHand, IMAGE, r"^'the model itself' \(ByHand\) has no weight of its own"),
    "adapter": (lora, {}, r"^'1' is wrapped by an adapter \(Linear, such as LoRA's\)\. Replace the head before"),
    "weight norm": (
        lambda: nn.Sequential(nn.Linear(8, 8), nn.utils.parametrizations.weight_norm(nn.Linear(8, 10))),
        {},
        r"^'1.*' \(\w+\) has no weight of its own: it is computed from others \(weight_norm, ",
    ),
    "a norm last": (
        lambda: nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8)),
        {},
        r"ends at .*layer_norm in '1' \(1\.weight 8, 1\.bias 8\), which is no layer with 8 outputs\. Name",
    ),
    "no layer": (lambda: nn.Sequential(nn.ReLU()), IMAGE, r"the output comes from no layer"),
    "does not run": (
        lambda: nn.Sequential(nn.Linear(8, 8), nn.Linear(9, 10)),
        IMAGE,
        r"^The head can't be found, because the model did not run: .* Pass an input it takes: inputs=\(x,\)",
    ),
    "fixed": (
        Fixed,
        IMAGE,
        r"^With 3 classes the model does not run any more: .*10.* It was put back\. Its code depends on the old number",
    ),
    "path": (
        lambda: nn.Sequential(nn.Linear(8, 8)),
        {"path": "fc"},
        r"^path 'fc' is no module of this model\. Layers with outputs are: '0'\.$",
    ),
    "path to a container": (
        lambda: nn.Sequential(nn.Linear(8, 8)),
        {"path": ""},
        r"^'' is a Sequential; a linear layer or a convolution is wanted\. Name the layer inside it",
    ),
    "the model itself": (
        lambda: nn.Linear(8, 10),
        {},
        r"^The model is the head itself \(a Linear\), which can't be replaced in place\. Wrap it: torch\.nn\.Seq",
    ),
    "labels": (lambda: nn.Sequential(nn.Linear(8, 8)), {"labels": ["a"]}, r"^1 labels were passed for 3 classes\. "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_replaced_is_said_and_left(name):
    build, options, said = REFUSED[name]
    model = build()
    text, state = repr(model), {key: id(value) for key, value in model.state_dict(keep_vars=True).items()}
    with pytest.raises(InputError, match=said):
        replace_head(model, 3, **options)
    assert repr(model) == text
    assert {key: id(value) for key, value in model.state_dict(keep_vars=True).items()} == state


def test_a_path_replaces_that_layer():
    model = nn.Sequential(nn.Linear(8, 8), nn.LayerNorm(8))
    assert str(replace_head(model, 8, path="0")) == "0: Linear 8 → 8 is now 8 → 8, with new weights."


@pytest.mark.parametrize("count", [0, 2.5, True, "10"])
def test_the_number_of_classes_is_checked(count):
    with pytest.raises(InputError, match=r"^num_classes is .*; it is a whole number, at least 1\."):
        replace_head(nn.Linear(8, 4), count)
    with pytest.raises(InputError, match=r"^replace_head\(\) got str; it wants a torch\.nn\.Module\.$"):
        replace_head("resnet18", 4)
