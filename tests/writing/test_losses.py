"""The cells give the losses of fine_tune to the bit, in a process that has no notebookviz."""

from __future__ import annotations

import functools
import inspect
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch

from notebookviz import InputError, fine_tune, fine_tune_cells
from notebookviz.finetune.checks import TrainingWarning
from notebookviz.finetune.session import Session
from notebookviz.finetune.settings import Settings
from notebookviz.finetune.story import Story
from notebookviz.finetune.watching import watch
from notebookviz.writing.cells import session_cells
from tests.writing import libraries, training

RUNNER = Path(__file__).with_name("running.py")
FOLDERS = ["folder, torchvision", "folder, timm", "folder, transformers"]
TABS = ["tab", "tab, LoRA", *FOLDERS]
NAMES = [*training.trainings(), "float16", "pictures", "sentences", "LoRA of transformers", *TABS]


def above(index):
    """What stands in the notebook above the cells."""
    return f"{inspect.getsource(training)}\nmodel, train_loader, val_loader, options = trainings()[{index!r}]"


def run(jobs, folder):
    """Run cells in a process of their own; the weights "downloaded" lie in the folder."""
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [sys.executable, str(RUNNER), str(folder / "jobs.json"), str(folder / "results.json")]
    subprocess.run(command, cwd=folder, check=True, timeout=240, env={**os.environ, "TORCH_HOME": str(folder / "home")})
    return json.loads((folder / "results.json").read_text())


def tab(jobs, epochs, name, model, above, names, image=None, **settings):  # noqa: PLR0913, PLR0917 - a panel's
    """What the Fine-tune tab would do."""
    story = Story(lambda _: None)
    session = Session(lambda: model, lambda: names, lambda: image, story)
    settings = Settings(**{"epochs": 2, "seed": 4, **settings})
    watch(model, story)
    kept = {key: value.clone() for key, value in model.state_dict().items()}
    text = repr(model)
    jobs[name] = [above, *session_cells(session, settings)["cells"]]
    assert repr(model) == text
    assert all(torch.equal(value, kept[key]) for key, value in model.state_dict().items())
    session.run(settings, threading.Event(), lambda: None)
    epochs[name] = story._epochs


def tabs(jobs, epochs, folder):
    """Another head and the last block; LoRA; images in folders."""
    above = f"{inspect.getsource(training)}\nmodel = plain(5)"
    for name, learn in (("tab", "last"), ("tab, LoRA", "lora")):
        model = training.plain(5)
        names = {"model": model, "x": training.x, "y": training.y}
        tab(jobs, epochs, name, model, above, names, source="x, y", learn=learn, patience=1)
    for name, (model, names) in libraries.folders(folder).items():
        image = (3, 32, 32) if "transformers" in name else (3, 224, 224)
        tab(jobs, epochs, name, model, "", names, image, source="place", batch=3, share=0.25)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """By name: the epochs of fine_tune, and what the cells did."""
    folder = tmp_path_factory.mktemp("cells")
    jobs, epochs = {}, {}
    for number, (name, (model, train, val, options)) in enumerate(training.trainings().items()):
        names = {**vars(training), "model": model, "train_loader": train, "val_loader": val}
        cells = fine_tune_cells(model, train, val, names=names, start=folder / f"{number}.safetensors", **options)
        jobs[name] = [above(name), *cells]
        epochs[name] = fine_tune(model, train, val, verbose=False, **options).epochs
    float16(jobs, epochs, folder)
    libraries.make_folder(folder)
    before = torch.hub.get_dir()
    model, train, val, options = libraries.pictures(folder)
    written = fine_tune_cells(model, train, val, names={}, **options)
    torch.hub.set_dir(before)
    jobs["pictures"] = list(written)
    epochs["pictures"] = fine_tune(model, train, val, verbose=False, **options).epochs
    for name, made in (("sentences", libraries.sentences()), ("LoRA of transformers", libraries.beside())):
        model, train, val, options, rows = made
        cells = fine_tune_cells(
            model, train, val, names={"rows": rows}, start=folder / f"{name}.safetensors", **options
        )
        jobs[name] = [f"import torch\nfrom torch import tensor\nrows = {rows}", *cells]
        epochs[name] = fine_tune(model, train, val, verbose=False, **options).epochs
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tabs(jobs, epochs, folder)
    return epochs, run(jobs, folder), written, jobs


def float16(jobs, epochs, folder):
    """With float16 the cells compute in full precision on a CPU; told that it is none, they scale the loss there."""
    model, train, val, _ = training.trainings()["plain"]
    names = {**vars(training), "model": model, "train_loader": train, "val_loader": val}
    options = {"names": names, "start": folder / "float16.safetensors", "precision": "fp16"}
    jobs["float16"] = [above("plain"), *fine_tune_cells(model, train, val, **options)]
    cells = fine_tune_cells(model, train, val, clip=0.5, accumulate=2, **options)
    scaled = [cell.replace('half = device.type != "cpu"', "half = True") for cell in cells]
    jobs["scaled"] = [above("plain"), *scaled, 'print("scale", scaler.get_scale())']
    with pytest.warns(TrainingWarning, match=r"^float16 with a scaled loss wants a GPU: on this CPU all is"):
        epochs["float16"] = fine_tune(model, train, val, precision="fp16", verbose=False).epochs


@pytest.mark.parametrize("name", NAMES)
def test_the_same_to_the_bit(pairs, name):
    epochs, ran = pairs[0][name], pairs[1][name]
    assert not ran["error"], ran["error"]
    assert [row["train_loss"] for row in ran["history"]] == [epoch.train_loss.hex() for epoch in epochs]
    if epochs[0].val_loss is not None:
        assert [row["val_loss"] for row in ran["history"]] == [epoch.val_loss.hex() for epoch in epochs]
    assert "notebookviz is not installed here, so the model is not drawn." in ran["said"]
    for row, epoch in zip(ran["history"], epochs, strict=True):
        for key, value in epoch.metrics.items():
            if key.startswith("val_"):
                assert float.fromhex(row[key]) == pytest.approx(value, abs=1e-5), key


def test_known_weights_and_their_preprocessing_are_named(pairs):
    load, head, learning, data, *_ = pairs[2].sources
    assert load.endswith(
        "weights = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1\n"
        "model = torchvision.models.shufflenet_v2_x0_5(weights=weights)"
    )
    assert head.endswith("torch.manual_seed(3)\nmodel.fc = nn.Linear(1024, 2)")
    assert "learning = ('conv5.', 'fc.',)" in learning
    assert "preprocessing = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.transforms()" in data
    assert "Subset(all_data, sorted(shuffled[4:12]))" in data
    assert pairs[2].notes == ()  # no file, and nothing from other cells


def test_the_weights_own_preprocessing_stands_in_the_cells(pairs):
    torchvision, timm, transformers = ("\n".join(pairs[3][name]) for name in FOLDERS)
    assert "preprocessing = torchvision.models.ShuffleNet_V2_X0_5_Weights.IMAGENET1K_V1.transforms()" in torchvision
    assert "preprocessing = timm.data.create_transform(input_size=(3, 224, 224), interpolation='bicubic'" in timm
    assert "processor = ViTImageProcessor.from_dict(dict(image_mean=(0.1, 0.2, 0.3), size=dict(" in transformers
    assert 'return processor(image, return_tensors="pt")["pixel_values"][0]' in transformers
    for cells in (torchvision, timm, transformers):
        assert "transform=preprocessing" in cells or ", preprocessing)" in cells


def test_lora_is_plain_peft_and_is_merged_at_the_end(pairs):
    _, _, head, lora, start, learning, *_, merge, show = pairs[3]["tab, LoRA"]
    assert head.startswith("# 2. The head")
    assert "from peft import LoraConfig, inject_adapter_in_model" in lora
    assert (
        "layers = [\n    '0',\n]\ntorch.manual_seed(4)\nconfig = LoraConfig(r=8, lora_alpha=16, target_modules=" in lora
    )
    assert "(2 of 6 tensors)" in start, "the matrices are drawn from the seed, as in the panel"
    assert "requires_grad_(\".lora_\" in key or key.startswith(('3.',)))" in learning
    assert "layer.merge()" in merge
    assert show.startswith("# 10. Look at it.")
    assert "tensors" in next(cell for cell in pairs[3]["LoRA of transformers"] if "load_file" in cell)


def test_float16_says_what_a_cpu_can_not_do_and_scales_the_loss_elsewhere(pairs):
    assert (
        "float16 with a scaled loss wants a GPU: on this CPU all is computed in full precision."
        in (pairs[1]["float16"]["said"])
    )
    scaled = pairs[1]["scaled"]
    assert not scaled["error"], scaled["error"]
    losses = [float.fromhex(row["train_loss"]) for row in scaled["history"]]
    full = [epoch.train_loss for epoch in pairs[0]["float16"]]
    assert losses == pytest.approx(full, rel=0.2)
    assert float(scaled["said"].rpartition("scale ")[2]) > 1


def test_nothing_is_trained_and_nothing_drawn(tmp_path):
    model, train, val, _ = training.trainings()["plain"]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = torch.get_rng_state()
    names = {**vars(training), "model": model}
    fine_tune_cells(model, train, val, names=names, start=tmp_path / "start.safetensors")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.fixture
def refused(tmp_path):
    """Asserts that cells are refused with a sentence."""
    return functools.partial(_refused, tmp_path / "start.safetensors")


def _refused(start, sentence, model=None, **options):
    model = training.plain() if model is None else model
    data = options.pop("data", training.loader(training.x, training.y))
    names = options.pop("names", {"model": model, "x": training.x, "y": training.y})
    with pytest.raises(InputError, match=sentence):
        fine_tune_cells(model, data, names=names, start=start, **options)


def test_what_can_not_be_written_asks_for_a_name(refused, tmp_path):
    start = tmp_path / "start.safetensors"
    refused(r"This Sequential is no model of torchvision, timm or transformers, and has no name", names={})
    named = training.plain()
    sentence = r"The training data can't be written as source: a tensor of \(70, 8\) has no name\. Assign"
    refused(sentence, model=named, names={"model": named})
    refused(r"The loss can't be written as source: .*lambda.* has no name", loss=lambda scores, y: scores.sum())
    optimizer = torch.optim.SGD(training.plain().parameters())
    refused(r"optimizer is a SGD of this model's parameters; cells make their own", optimizer=optimizer)
    refused(
        r"The cells don't measure 'train_accuracy'\. monitor may be train_loss\.", monitor="train_accuracy", patience=1
    )
    assert not start.exists(), "what is refused leaves no file"
    refused(r"fine_tune_cells\(\) got epoch=\. Its options are those of fine_tune: epochs, task", epoch=3)
