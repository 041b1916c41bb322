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
from notebookviz.finetune.session import Session
from notebookviz.finetune.settings import Settings
from notebookviz.finetune.story import Story
from notebookviz.finetune.watching import watch
from notebookviz.writing.cells import session_cells
from tests.writing import libraries, training

RUNNER = Path(__file__).with_name("running.py")
NAMES = [*training.trainings(), "pictures", "sentences", "tab"]


def above(index):
    """What stands in the notebook above the cells."""
    return f"{inspect.getsource(training)}\nmodel, train_loader, val_loader, options = trainings()[{index!r}]"


def run(jobs, folder):
    """Run cells in a process of their own; the weights "downloaded" lie in the folder."""
    (folder / "jobs.json").write_text(json.dumps(jobs))
    command = [sys.executable, str(RUNNER), str(folder / "jobs.json"), str(folder / "results.json")]
    subprocess.run(command, cwd=folder, check=True, timeout=240, env={**os.environ, "TORCH_HOME": str(folder / "home")})
    return json.loads((folder / "results.json").read_text())


def tab(jobs, epochs, folder):
    """What the Fine-tune tab would do: another head, the last block, a part of the data for validation."""
    model, story = training.plain(5), Story(lambda _: None)
    names = {"model": model, "x": training.x, "y": training.y}
    session = Session(lambda: model, lambda: names, lambda: None, story)
    settings = Settings(source="x, y", learn="last", epochs=2, patience=1, seed=4)
    watch(model, story)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        jobs["tab"] = [f"{inspect.getsource(training)}\nmodel = plain(5)", *session_cells(session, settings)["cells"]]
    assert model[3].out_features == 5
    session.run(settings, threading.Event(), lambda: None)
    epochs["tab"] = story._epochs


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
    libraries.make_folder(folder)
    before = torch.hub.get_dir()
    model, train, val, options = libraries.pictures(folder)
    written = fine_tune_cells(model, train, val, names={}, **options)
    torch.hub.set_dir(before)
    jobs["pictures"] = list(written)
    epochs["pictures"] = fine_tune(model, train, val, verbose=False, **options).epochs
    model, train, val, options, rows = libraries.sentences()
    jobs["sentences"] = [
        f"import torch\nfrom torch import tensor\nrows = {rows}",
        *fine_tune_cells(model, train, val, names={"rows": rows}, start=folder / "bert.safetensors", **options),
    ]
    epochs["sentences"] = fine_tune(model, train, val, verbose=False, **options).epochs
    tab(jobs, epochs, folder)
    return epochs, run(jobs, folder), written


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


def test_what_can_not_be_written_asks_for_a_name(refused):
    refused(r"This Sequential is no model of torchvision, timm or transformers, and has no name", names={})
    named = training.plain()
    sentence = r"The training data can't be written as source: a tensor of \(70, 8\) has no name\. Assign"
    refused(sentence, model=named, names={"model": named})
    refused(r"The loss can't be written as source: .*lambda.* has no name", loss=lambda scores, y: scores.sum())
    optimizer = torch.optim.SGD(training.plain().parameters())
    refused(r"optimizer is a SGD of this model's parameters; cells make their own", optimizer=optimizer)
    refused(r"Cells are written for full precision and bfloat16\.", precision="fp16")
    refused(
        r"The cells don't measure 'train_accuracy'\. monitor may be train_loss\.", monitor="train_accuracy", patience=1
    )
    refused(r"fine_tune_cells\(\) got epoch=\. Its options are those of fine_tune: epochs, task", epoch=3)
