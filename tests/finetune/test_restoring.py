"""From a file into a model, and from a checkpoint to a prediction."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from notebookviz import InputError, LoadingError, add_lora, fine_tune, load_fine_tuned, load_weights, replace_head
from notebookviz.finetune.recipes import build_transform, model_recipe, transform_recipe
from tests.finetune import digits


def test_prefixes_and_nesting_are_seen_through(tmp_path):
    from safetensors.torch import save_file

    state = digits.plain(seed=1).state_dict()
    files = {
        "plain.pth": state,
        "parallel.pth": {f"module.{name}": value for name, value in state.items()},
        "compiled.pth": {f"_orig_mod.{name}": value for name, value in state.items()},
        "nested.pth": {"epoch": 3, "state_dict": {f"module._orig_mod.{key}": item for key, item in state.items()}},
        "model.pth": {"model": state, "optimizer": {"state": {0: {"exp": torch.ones(2)}}}},
    }
    for name, data in files.items():
        torch.save(data, tmp_path / name)
    save_file(state, tmp_path / "plain.safetensors")
    for name in (*files, "plain.safetensors"):
        model = digits.plain()
        found = load_weights(model, tmp_path / name)
        assert found.complete
        assert len(found.loaded) == 4
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert str(load_weights(model, tmp_path / "parallel.pth")) == (
        "4 tensors fit. The file's names began with 'module.', which was taken off."
    )
    wrapped = nn.DataParallel(digits.plain())
    assert load_weights(wrapped, tmp_path / "parallel.pth").prefix == ""
    assert load_weights(torch.compile(digits.plain()), tmp_path / "plain.pth").complete


def test_what_does_not_fit_is_said_and_nothing_is_loaded(tmp_path):
    state = digits.plain(classes=100).state_dict()
    state["extra"] = torch.ones(2)
    del state["1.bias"]
    torch.save(state, tmp_path / "other.pth")
    model = digits.plain()
    before = model[1].weight.detach().clone()
    said = (
        r"^The weights don't fit the model: 1 tensors? fit\. The file lacks 1\.bias\. The model lacks extra\. "
        r"Of another shape: 4\.weight \(100×32 in the file, 10×32 here\), 4\.bias \(100 in the file, 10 here\)\. "
        r"Build the model as it was, replace its head, or pass partial=True"
    )
    with pytest.raises(InputError, match=said):
        load_weights(model, tmp_path / "other.pth")
    assert torch.equal(model[1].weight, before)
    found = load_weights(model, tmp_path / "other.pth", partial=True)
    assert (found.missing, found.unexpected) == (("1.bias",), ("extra",))
    assert torch.equal(model[1].weight, state["1.weight"])
    with pytest.raises(InputError, match="It is the file of another model"):
        load_weights(nn.Conv2d(1, 1, 1), tmp_path / "other.pth")


class Evil:
    def __reduce__(self):
        return (open, ("evil", "w"))


def test_files_that_would_run_code_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(digits.plain(), "model.pth")
    torch.save({"state_dict": {"a": Evil()}}, "evil.pth")
    torch.save([1, 2], "list.pth")
    torch.save({"a": digits.plain().state_dict(), "b": digits.plain().state_dict()}, "two.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00")
    (tmp_path / "empty.pth").touch()
    torch.jit.save(torch.jit.script(nn.Linear(1, 1)), "script.pt")
    refused = {
        "model.pth": r"^'model\.pth' holds other things than tensors \(torch\.nn\.\S+\): to read it would run code "
        r"from the file, so it is not read\. Where it was made, save the weights alone: torch\.save\(model\.state_",
        "evil.pth": r"^'evil\.pth' holds other things than tensors \(\S*open\)",
        "list.pth": r"^'list\.pth' holds list, not tensors by name\.",
        "two.pth": r"^'two\.pth' holds several dictionaries: 'a', 'b'\. Say which: key='a'\.$",
        "text.pth": r"^'text\.pth' ",
        "cut.safetensors": r"^'cut\.safetensors' is truncated or damaged: ",
        "empty.pth": r"^'empty\.pth' is empty\. ",
        "script.pt": r"^'script\.pt' is a TorchScript program, not a state_dict\.",
        "none.pth": r"^'none\.pth' was not found\. ",
        ".": r"^'\.' is a folder; a file is wanted\.",
    }
    for name, said in refused.items():
        with pytest.raises(LoadingError, match=said):
            load_weights(digits.plain(), name)
    assert not (tmp_path / "evil").exists()
    assert load_weights(digits.plain(), "two.pth", key="b").complete


class Images(Dataset):
    """Digits as images, with names and a preprocessing."""

    def __init__(self, count=320):
        from torchvision import transforms

        self.classes = [f"digit {number}" for number in range(10)]

        images, self.labels = (item[:count] for item in digits.tensors())
        self.images = [transforms.functional.to_pil_image(image.repeat(3, 1, 1)) for image in images]
        self.transform = transforms.Compose(
            [transforms.Resize(32), transforms.ToTensor(), transforms.Normalize([0.5] * 3, [0.5] * 3)]
        )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, at):
        return self.transform(self.images[at]), int(self.labels[at])


FRESH = """
import json, sys
from notebookviz import load_fine_tuned
tuned = load_fine_tuned(sys.argv[1])
print(json.dumps([type(tuned.model).__name__, list(tuned.labels), tuned.predict(sys.argv[2], top=3)]))
assert "pickle" not in vars(sys.modules["notebookviz.finetune.restoring"])
"""


@pytest.mark.slow
def test_one_call_in_a_fresh_process_predicts_an_image(tmp_path):
    import torchvision

    torch.manual_seed(0)
    model = torchvision.models.squeezenet1_1(weights=None)
    replace_head(model, 10)
    data = Images()
    fine_tune(
        model, DataLoader(data, batch_size=64), epochs=1, lr=1e-3, folder=tmp_path / "run", verbose=False, metrics={}
    )
    data.images[7].save(tmp_path / "seven.png")
    model.eval()
    expected = model(data[7][0][None])[0].softmax(0)
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(tmp_path / "run"), str(tmp_path / "seven.png")],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    kind, labels, found = json.loads(done.stdout)
    assert (kind, labels) == ("SqueezeNet", data.classes)
    assert found[0][0] == f"digit {int(expected.argmax())}"
    assert [value for _, value in found] == pytest.approx(expected.sort(descending=True).values[:3].tolist(), abs=1e-5)


@pytest.mark.parametrize("by_name", [True, False])
def test_lora_is_merged_where_its_checkpoint_is_loaded(tmp_path, by_name):
    import torchvision

    def build():
        torch.manual_seed(0)
        return torchvision.models.mobilenet_v3_small() if by_name else digits.plain()

    images, labels = digits.tensors()
    images = images.repeat(1, 3, 4, 4) if by_name else images
    model = build()
    replace_head(model, 7, inputs=images[:1])
    added = add_lora(model, rank=2, alpha=3)
    data = DataLoader(TensorDataset(images[:64], labels[:64] % 7), batch_size=16)
    fine_tune(model, data, epochs=1, lr=0.1, folder=tmp_path, verbose=False, metrics={})
    added.merge()
    fresh = None if by_name else build()
    found = load_fine_tuned(tmp_path, fresh, which="last").model
    assert repr(found) == repr(model)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], value)
    assert all(parameter.requires_grad for parameter in found.parameters())
    if not by_name:
        other = digits.network()
        said = repr(other)
        with pytest.raises(InputError, match=r"^The weights don't fit the model: LoRA stood beside 1, which are no su"):
            load_fine_tuned(tmp_path, other)
        assert repr(other) == said


def test_a_model_of_ones_own_is_passed(tmp_path):
    model = digits.plain(classes=5)
    fine_tune(model, digits.loaders(digits=range(5))[0], epochs=1, folder=tmp_path, verbose=False, metrics={})
    with pytest.raises(
        InputError, match=r"can't be built by a name: .* Build it by its own code and pass it: load_fine"
    ):
        load_fine_tuned(tmp_path)
    again = load_fine_tuned(tmp_path, digits.plain(classes=10), which="last")
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in again.model.state_dict().items())
    assert again.task == "single-label"
    with pytest.raises(InputError, match=r"^No preprocessing was kept with this model\. Pass it: load_fine_tuned"):
        again.predict("seven.png")
    with pytest.raises(InputError, match=r"^The weights don't fit the model: "):
        load_fine_tuned(tmp_path, digits.network())
    with pytest.raises(LoadingError, match=r"holds no checkpoint\. Pass the folder that fine_tune\(folder=…\) wrote"):
        load_fine_tuned(tmp_path / "nothing")


def test_a_checkpoint_can_name_no_code(tmp_path):
    model = digits.plain()
    fine_tune(model, digits.loaders()[0], epochs=1, folder=tmp_path, verbose=False, metrics={})
    state = json.loads((tmp_path / "last" / "state.json").read_text())
    for field, recipe, said in (
        ("model", {"library": "os", "name": "system"}, r"^Models of 'os' are not built by name"),
        ("model", {"library": "transformers", "name": "pipeline"}, r"^'pipeline' is no model of transformers"),
        ("model", {"library": "timm", "name": "../x"}, r"^'\.\./x' is no model of timm"),
        ("transform", {"library": "torchvision", "name": "os.system", "settings": {}}, r"^'os\.system' is no prepro"),
        (
            "transform",
            {"library": "torchvision", "name": "torchvision.transforms.functional.Image", "settings": {}},
            "^'",
        ),
        ("transform", {"library": "transformers", "name": "pipeline", "settings": {}}, r"^'pipeline' is no image proc"),
    ):
        changed = {**state, "model": None, "transform": None, field: recipe}
        (tmp_path / "last" / "state.json").write_text(json.dumps(changed))
        with pytest.raises(LoadingError, match=said):
            load_fine_tuned(tmp_path, None if field == "model" else digits.plain(), which="last")


def test_recipes_of_changed_models_are_none():
    import torchvision

    with torch.device("meta"):
        model = torchvision.models.squeezenet1_1()
        assert model_recipe(model) == {"library": "torchvision", "name": "squeezenet1_1"}
        model.features[2] = nn.Identity()
    assert model_recipe(model) is None
    assert model_recipe(digits.plain()) is None


def test_recipes_of_transforms():
    from torchvision import models, transforms
    from torchvision.transforms import v2

    image = transforms.functional.to_pil_image(torch.rand(3, 40, 50, generator=torch.Generator().manual_seed(0)))
    for transform in (
        models.ResNet50_Weights.IMAGENET1K_V2.transforms(),
        v2.Compose([v2.ToImage(), v2.Resize(8, antialias=True), v2.ToDtype(torch.float32, scale=True)]),
        transforms.Compose([transforms.Grayscale(), transforms.CenterCrop((8, 6)), transforms.ToTensor()]),
    ):
        recipe = json.loads(json.dumps(transform_recipe(transform)))
        assert torch.equal(build_transform(recipe)(image), transform(image))
    assert transform_recipe(transforms.Compose([lambda image: image])) is None
