"""What learns: patterns, blocks, LoRA."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from notebookviz import InputError, add_lora, fine_tune, freeze, load_fine_tuned, train_only, unfreeze
from notebookviz.finetune.blocks import find_blocks
from notebookviz.finetune.lora import described
from tests.finetune import digits, heads


def learning(model):
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def test_patterns_freeze_and_undo_puts_back():
    model = digits.network().requires_grad_(True)
    model[3].bias.requires_grad_(False)
    change = freeze(model, "*.0", "1.1.bias")
    assert learning(model) == ["0.1.weight", "0.1.bias", "1.1.weight", "3.weight"]
    assert str(change) == "5,184 of 10,026 parameters learn: 0.1, 1.1, 3."
    change.undo()
    assert "0.0.weight" in learning(model)
    assert "3.bias" not in learning(model)
    assert unfreeze(model).learning == 10_026
    assert freeze(model).learning == 0


@pytest.mark.parametrize(
    ("what", "modules"),
    [
        ("head", ["3"]), ("last 1 block", ["1.0", "1.1", "3"]), ("last 2 blocks", ["0.0", "0.1", "1.0", "1.1", "3"]),
        ("all", ["0.0", "0.1", "1.0", "1.1", "3"]), ("1.1", ["1.1"]),
    ],
)  # fmt: skip
def test_train_only(what, modules):
    model = digits.network()
    freeze(model, "1")
    assert list(train_only(model, what).modules) == modules
    assert learning(model) == [f"{path}.{name}" for path in modules for name in ("weight", "bias")]


def test_blocks_are_what_a_person_would_say():
    assert [names[0] for names in find_blocks(heads.torchvision_model("resnet18")).names] == [
        "conv1", "layer1.0", "layer1.1", "layer2.0", "layer2.1", "layer3.0", "layer3.1", "layer4.0", "layer4.1"
    ]  # fmt: skip
    names = find_blocks(heads.torchvision_model("googlenet")).names
    assert (len(names), names[3][0]) == (12, "inception3a")
    bert = find_blocks(heads.transformers_model("BertForSequenceClassification"))
    assert [names[0] for names in bert.names] == [
        "bert.embeddings", "bert.encoder.layer.0", "bert.encoder.layer.1", "bert.pooler"
    ]  # fmt: skip
    assert bert.heads == ("classifier",)


def test_patterns_that_match_nothing_are_refused():
    model = digits.network()
    with pytest.raises(
        InputError, match=r"^'layer4' matches no parameter\. The model's parts are '0', '1', '2', '3'; "
    ):
        freeze(model, "layer4")
    with pytest.raises(InputError, match=r"^train_only\(\) got \(\); it wants 'all', 'head', 'last 2 blocks', or"):
        train_only(model)
    assert len(learning(model)) == 10


def test_lora_learns_beside_frozen_layers_and_is_merged():
    model = digits.plain()
    before = model[1].weight.detach().clone()
    added = add_lora(model, rank=4)
    assert str(added).startswith(
        "LoRA of rank 4 stands beside 1 layer. 714 of 2,794 parameters learn: 1.lora_A.default"
    )
    fine_tune(model, digits.loaders()[0], epochs=1, lr=1e-2, verbose=False, metrics={})
    x = digits.tensors()[0][:8]
    model.eval()
    expected = model(x)
    added.merge()
    assert type(model[1]) is nn.Linear
    assert not torch.equal(model[1].weight, before)
    assert torch.allclose(model(x), expected, atol=1e-5)
    assert len(learning(model)) == 4
    assert not hasattr(model, "peft_config")


def test_an_adapter_of_another_kind_is_kept_as_it_is(tmp_path):
    from peft import IA3Config, LoraConfig, inject_adapter_in_model

    kinds = [LoraConfig(target_modules=["1"], use_rslora=True), IA3Config(target_modules=["1"], feedforward_modules=[])]
    for number, config in enumerate(kinds):
        model = inject_adapter_in_model(config, digits.plain())
        assert described(model) is None
        folder = tmp_path / str(number)
        fine_tune(model, digits.loaders()[0], epochs=1, folder=folder, verbose=False, metrics={})
        other = inject_adapter_in_model(config, digits.plain(seed=5))
        found = load_fine_tuned(folder, other).model
        assert all(torch.equal(value, model.state_dict()[name]) for name, value in found.state_dict().items())
    plain = digits.plain()
    add_lora(plain, "1", rank=3, alpha=5, dropout=0.1)
    assert described(plain) == {"layers": ["1"], "rank": 3, "alpha": 5, "dropout": 0.1}


def test_lora_is_taken_off():
    model = digits.plain()
    before = model[1].weight
    add_lora(model, "1").undo()
    assert model[1].weight is before
    with pytest.raises(InputError, match=r"^No linear layer is matched by 'x' besides the head\."):
        add_lora(model, "x")
