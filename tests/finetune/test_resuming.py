"""A training that was cut goes on as if it had not been."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler, TensorDataset

from notebookviz import InputError, NotebookvizError, fine_tune
from notebookviz.finetune.checkpoint import Checkpoint, CheckpointWarning
from notebookviz.finetune.events import Callback
from notebookviz.finetune.rng import mixed
from tests.finetune import digits

ROOT = Path(__file__).parents[2]


class Losses(Callback):
    """Collects the losses; asks to stop after so many steps."""

    def __init__(self, stop_after=None, act=None):
        self.losses = []
        self.stop = threading.Event()
        self.stop_after = stop_after
        self.act = act or self.stop.set

    def on_step(self, step):
        self.losses.append(step.loss)
        if len(self.losses) == self.stop_after:
            self.act()


class Noisy(Dataset):
    """Augmentation that draws from every generator there is."""

    def __init__(self, count=96):
        images, labels = digits.tensors()
        self.images, self.labels = images[:count], labels[:count]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, at):
        import numpy as np

        noise = torch.rand(1) * 0.1 + random.random() * 0.1 + float(np.random.rand()) * 0.1  # noqa: NPY002 - what data sets use
        return self.images[at] + noise, self.labels[at]


def train(model, watch, data=None, **options):
    loader = DataLoader(data or Noisy(), batch_size=16, shuffle=True, num_workers=options.pop("workers", 0))
    settings = {"epochs": 3, "lr": 5e-3, "clip": 1.0, "verbose": False, "seed": 3, **options}
    return fine_tune(model, loader, settings.pop("val", None), callbacks=[watch], stop=watch.stop, **settings)


def same_weights(first, second):
    return all(
        torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize(
    ("build", "cut", "options"),
    [
        (digits.plain, 8, {}),
        (digits.plain, 6, {}),
        (digits.network, 9, {"accumulate": 2}),
        (digits.plain, 7, {"optimizer": lambda groups: torch.optim.SGD(groups, momentum=0.9), "scheduler": "linear"}),
        (digits.plain, 8, {"workers": 1, "epochs": 2}),
    ],
    ids=["dropout, within an epoch", "between epochs", "BatchNorm, accumulation", "SGD", "a worker"],
)
def test_a_stopped_training_goes_on_to_the_bit(tmp_path, build, cut, options):
    whole = Losses()
    reference = build()
    uninterrupted = train(reference, whole, **options)

    first, second = Losses(stop_after=cut), Losses()
    stopped = train(build(), first, folder=tmp_path, **options)
    assert not stopped.finished
    assert stopped.stopped.startswith(f"Stopped after step {cut}, in epoch ")
    model = build(seed=99)
    resumed = train(model, second, folder=tmp_path, resume=True, **options)

    assert first.losses + second.losses == whole.losses
    assert same_weights(model, reference)
    assert [item.train_loss for item in resumed.epochs] == [item.train_loss for item in uninterrupted.epochs]
    assert [item.metrics for item in resumed.epochs] == [item.metrics for item in uninterrupted.epochs]


SCRIPT = """
import os, signal, sys
from tests.finetune import digits, test_resuming as tests
watch = tests.Losses(9, act=lambda: os.kill(os.getpid(), signal.SIGKILL))
tests.train(digits.plain(), watch, folder=sys.argv[1], resume=True, save_every=2, epochs=2, metrics={})
"""


def killed_in_the_ninth_step(folder):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
def test_kill_9_loses_only_what_came_after_the_last_checkpoint(tmp_path):
    whole = Losses()
    train(digits.plain(), whole, epochs=2)
    killed = killed_in_the_ninth_step(tmp_path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = Losses()
    train(digits.plain(), resumed, folder=tmp_path, resume=True, save_every=2, epochs=2, metrics={})
    assert resumed.losses == whole.losses[8:]


def test_an_interrupt_ends_after_the_step_and_returns_what_there_is():
    watch = Losses(stop_after=4, act=lambda: signal.raise_signal(signal.SIGINT))
    model = digits.network().eval()
    model[0].train()
    before = signal.getsignal(signal.SIGINT)
    training = train(model, watch)
    assert training.steps == 4
    assert training.stopped == "Stopped after step 4, in epoch 1 of 3."
    assert signal.getsignal(signal.SIGINT) is before
    assert model[0].training
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_second_interrupt_raises_at_once():
    def twice():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(digits.plain(), Losses(stop_after=2, act=twice))


def test_another_thread_stops_a_training():
    watch = Losses(stop_after=2)
    found = []
    thread = threading.Thread(target=lambda: found.append(train(digits.plain(), watch)))
    thread.start()
    thread.join(60)
    assert found[0].steps == 2


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    import resource

    train(digits.plain(), Losses(), folder=tmp_path, epochs=1)
    kept = Checkpoint.read(tmp_path / "last")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
        with pytest.warns(CheckpointWarning, match=r"last' can't be written: .*\. The one before it is as it was\."):
            training = train(digits.plain(), Losses(), folder=tmp_path, resume=True, epochs=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert training.finished
    after = Checkpoint.read(tmp_path / "last")
    assert after.state["epoch"] == 1
    assert all(torch.equal(after.model[name], tensor) for name, tensor in kept.model.items())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best", "last"]
    resumed = train(digits.plain(), Losses(), folder=tmp_path, resume=True, epochs=2)
    assert len(resumed.epochs) == 2


def test_a_checkpoint_cut_between_its_renames_comes_back(tmp_path):
    Checkpoint({"a": torch.ones(1)}, {}, {"epoch": 1}).save(tmp_path / "last")
    (tmp_path / "last").rename(tmp_path / ".last.old")
    assert Checkpoint.read(tmp_path / "last").state["epoch"] == 1


def test_a_checkpoint_that_can_not_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    Checkpoint({"a": torch.ones(1)}, {}, {"epoch": 1}).save(tmp_path / "last")
    rename = Path.rename

    def deny(path, target):
        if path.name.endswith(".new"):
            raise PermissionError(13, "denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", deny)
    with pytest.raises(NotebookvizError, match=r"denied\. The one before it is as it was"):
        Checkpoint({"a": torch.zeros(1)}, {}, {"epoch": 2}).save(tmp_path / "last")
    assert Checkpoint.read(tmp_path / "last").state["epoch"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_folder_in_use_is_not_overwritten(tmp_path):
    train(digits.plain(), Losses(), folder=tmp_path, epochs=1)
    with pytest.raises(InputError, match=r"holds a training already\. Pass resume=True to go on with it"):
        train(digits.plain(), Losses(), folder=tmp_path)
    with pytest.raises(InputError, match="was made with seed 3, now it is 4"):
        train(digits.plain(), Losses(), folder=tmp_path, resume=True, seed=4)
    as_many_steps = DataLoader(Noisy(), batch_size=17, shuffle=True)
    with pytest.raises(InputError, match="was made with batch_size 16, now it is 17"):
        fine_tune(digits.plain(), as_many_steps, epochs=3, seed=3, folder=tmp_path, resume=True, verbose=False)
    with pytest.raises(InputError, match="The checkpoint is of another model: "):
        train(digits.network(), Losses(), folder=tmp_path, resume=True)
    with pytest.raises(InputError, match=r"resume=True wants the folder of the training"):
        train(digits.plain(), Losses(), resume=True)


def test_a_checkpoint_holds_no_pickle(tmp_path):
    train(digits.network(), Losses(), folder=tmp_path, epochs=1)
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert names == [
        "best/model.safetensors",
        "best/state.json",
        "last/model.safetensors",
        "last/state.json",
        "last/training.safetensors",
    ]


def test_generators_and_the_loader_are_put_back():
    generator = torch.Generator().manual_seed(5)
    loader = DataLoader(Noisy(), batch_size=16, shuffle=True, generator=generator)
    plain = DataLoader(Noisy(), batch_size=16, shuffle=True)
    model = digits.plain()
    state, own, python = generator.get_state(), torch.get_rng_state(), random.getstate()
    for one in (loader, plain):
        fine_tune(model, one, epochs=1, verbose=False)
    assert torch.equal(generator.get_state(), state)
    assert plain.sampler.generator is None
    assert random.getstate() == python
    assert torch.equal(torch.get_rng_state(), own)


def test_tied_weights_are_kept_once_and_tied_again(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(64, 64, bias=False)
            self.second = nn.Linear(64, 64, bias=False)
            self.second.weight = self.first.weight
            self.fc = nn.Linear(64, 10)

        def forward(self, x):
            return self.fc(self.second(self.first(x.flatten(1)).relu()))

    model = Tied()
    train(model, Losses(), folder=tmp_path, epochs=1)
    kept = Checkpoint.read(tmp_path / "last")
    assert "second.weight" not in kept.model
    again = Tied()
    watch = Losses()
    train(again, watch, folder=tmp_path, resume=True, epochs=1)
    assert same_weights(model, again)
    assert again.second.weight is again.first.weight


def test_two_trainings_of_one_model_are_refused():
    model, watch = digits.plain(), Losses(stop_after=1, act=lambda: refused())  # noqa: PLW0108 - it comes below
    said = []

    def refused():
        try:
            train(model, Losses())
        except InputError as error:
            said.append(str(error))
        watch.stop.set()

    train(model, watch)
    assert said == ["This model is already training. Wait for that training, or stop it, before you start another."]


def test_a_model_can_be_read_between_steps():
    """Whoever holds the lock sees weights that no step changes."""
    from notebookviz.turns import lock_of

    model, watch = digits.plain(), Losses()
    thread = threading.Thread(target=lambda: train(model, watch, epochs=30))
    thread.start()
    compared = 0
    while compared < 5:
        with lock_of(model):
            first = model[1].weight.detach().clone()
            time.sleep(0.02)
            assert torch.equal(first, model[1].weight)
        compared += bool(watch.losses)
    watch.stop.set()
    thread.join(60)


def plain_sgd(groups):
    return torch.optim.SGD([{**group, "weight_decay": 0.0} for group in groups])


def test_a_training_is_the_same_as_a_plain_loop():
    """Bit for bit: forward, backward, step, in the order that the seed gives."""
    images, labels = digits.tensors()
    data = TensorDataset(images[:96], labels[:96])
    watch = Losses()
    model, twin = digits.plain(), digits.plain()
    train(model, watch, data, clip=None, epochs=1, optimizer=plain_sgd, scheduler="constant", warmup=0, lr=0.1)

    order = torch.Generator().manual_seed(mixed(3, 1))
    loader = DataLoader(data, batch_size=16, sampler=RandomSampler(data, generator=order))
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    losses = []
    twin.train()
    torch.manual_seed(mixed(3, 1))
    for x, y in loader:
        loss = nn.functional.cross_entropy(twin(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    assert watch.losses == losses
    assert same_weights(model, twin)


@pytest.mark.parametrize("which", ["last", "best"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_no_checkpoint_is_never_replaced(tmp_path, which, kind):
    path = tmp_path / which
    if kind == "folder":
        path.mkdir()
        path /= "thesis.txt"
    path.write_text("years of work")
    model = digits.plain()
    with pytest.raises(InputError, match=rf"{which}' is there and is no checkpoint, which would take its place\. "):
        train(model, Losses(), folder=tmp_path, epochs=1)
    assert path.read_text() == "years of work"
    assert same_weights(model, digits.plain())


def test_a_folder_that_cannot_be_written_is_told_before_the_first_step(tmp_path):
    (tmp_path / "file").write_text("")
    watch = Losses()
    with pytest.raises(InputError, match=r"^Checkpoints can't be written into '.*run': Not a directory\. Pass "):
        train(digits.plain(), watch, folder=tmp_path / "file" / "run", epochs=1)
    assert not watch.losses
