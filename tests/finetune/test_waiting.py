"""Data that never comes: it is said, and a stop ends the training all the same."""

from __future__ import annotations

import os
import re
import signal
import threading
import time

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import notebookviz.finetune.waiting as waitings
from notebookviz import fine_tune
from notebookviz.finetune.checkpoint import Checkpoint
from notebookviz.finetune.events import Callback
from notebookviz.finetune.running import is_training
from notebookviz.finetune.story import Story
from notebookviz.finetune.watching import watch

AWAITED = re.compile(r"Waiting for data for \d+ s: batch 4 of train_loader\.")


class Hangs(Dataset):
    """Sixteen samples, the last of which never comes once it was seen ``good`` times."""

    def __init__(self, good=0, seconds=3600.0):
        self.good = good
        self.seconds = seconds
        self.go = threading.Event()
        self.hanging = threading.Event()

    def __getstate__(self):  # workers get a copy without events
        return {**vars(self), "go": None, "hanging": None}

    def __len__(self):
        return 16

    def __getitem__(self, at):
        if at == 15:
            self.good -= 1
            if self.good < 0:
                if self.hanging is None:
                    time.sleep(self.seconds)
                self.hanging.set()
                self.go.wait(self.seconds)
        return torch.full((4,), float(at)), at % 2


class Rare(Callback):
    def __init__(self):
        self.steps = []
        self.waits = []

    def on_step(self, step):
        self.steps.append(step.step)

    def on_wait(self, what):
        self.waits.append(what)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(waitings, "PATIENCE", 0.6)
    monkeypatch.setattr(waitings, "GRACE", 0.5)
    monkeypatch.setattr(waitings, "_LOOK", 0.1)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


def ended(training, model, folder):
    """What holds after every training that was left: consistent, kept, and another one can start."""
    assert not training.finished
    assert training.stopped == ("Stopped after step 3, in epoch 1 of 2. Batch 4 of train_loader did not come."), (
        training.stopped
    )
    assert Checkpoint.read(folder / "last").state["step"] == 3
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not is_training(model)
    data = Hangs(good=99)
    assert fine_tune(model, DataLoader(data, batch_size=4), epochs=1, verbose=False).finished


@pytest.mark.parametrize("how", ["stop", "interrupt"])
def test_in_a_cell_one_stop_is_enough(tmp_path, how):
    model, data, told, stop = network(), Hangs(), Rare(), threading.Event()

    def end():
        assert data.hanging.wait(30)
        end = time.monotonic() + 60
        while not any(map(AWAITED.fullmatch, told.waits)) and time.monotonic() < end:
            time.sleep(0.05)
        if how == "stop":
            stop.set()
        else:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    threading.Thread(target=end).start()
    began = time.monotonic()
    loader = DataLoader(data, batch_size=4)
    training = fine_tune(model, loader, epochs=2, stop=stop, callbacks=[told], folder=tmp_path, verbose=False)
    assert time.monotonic() - began < 120
    assert told.steps == [1, 2, 3]
    assert any(map(AWAITED.fullmatch, told.waits)), told.waits
    assert signal.getsignal(signal.SIGINT) is before
    ended(training, model, tmp_path)


def in_background(model, loader, **options):
    """A training in a thread of its own; a function that waits for it."""
    found = []
    thread = threading.Thread(
        target=lambda: found.append(fine_tune(model, loader, epochs=2, verbose=False, **options)), daemon=True
    )
    thread.start()

    def result():
        thread.join(60)
        assert not thread.is_alive(), "the training waits for data that never comes"
        return found[0]

    return result


def test_in_the_background_the_story_says_what_is_awaited_and_a_stop_ends_it(tmp_path):
    model, data, stop, runs = network(), Hangs(), threading.Event(), []
    story = Story(runs.append)
    watch(model, story)
    result = in_background(model, DataLoader(data, batch_size=4), stop=stop, folder=tmp_path)
    assert data.hanging.wait(30)
    end = time.monotonic() + 60
    while not AWAITED.fullmatch(runs[-1].get("awaits", "")):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert runs[-1]["state"] == "running"
    stop.set()
    training = result()
    assert (runs[-1]["state"], runs[-1]["awaits"]) == ("stopped", "")
    ended(training, model, tmp_path)
    data.go.set()


@pytest.mark.parametrize("where", ["cell", "background"])
def test_a_worker_that_hangs_is_left_and_ended(tmp_path, where):
    model, stop, told = network(), threading.Event(), Rare()
    loader = DataLoader(Hangs(), batch_size=4, num_workers=1)
    workers = []

    class Watches(Rare):
        def on_wait(self, what):
            super().on_wait(what)
            workers.extend(children())
            stop.set()

    told = Watches()
    options = {"stop": stop, "folder": tmp_path, "callbacks": [told]}
    if where == "cell":
        training = fine_tune(model, loader, epochs=2, verbose=False, **options)
    else:
        training = in_background(model, loader, **options)()
    assert workers
    ended(training, model, tmp_path)
    end = time.monotonic() + 60
    while set(workers) & set(children()):
        assert time.monotonic() < end, "the worker is still there"
        time.sleep(0.1)


def children():
    """This process's own child processes."""
    import multiprocessing

    return [each.pid for each in multiprocessing.active_children()]


def test_validation_data_that_hangs_is_left_and_the_epoch_is_not_lost(tmp_path):
    model, data, stop = network(), Hangs(good=1), threading.Event()  # once for the checks
    plain = DataLoader(Hangs(good=99), batch_size=4)
    result = in_background(model, plain, val_loader=DataLoader(data, batch_size=16), stop=stop, folder=tmp_path)
    assert data.hanging.wait(30)
    stop.set()
    training = result()
    assert training.stopped == "Stopped after step 4, in epoch 1 of 2. Batch 1 of val_loader did not come."
    assert Checkpoint.read(tmp_path / "last").state["batches"] == 4
    data.go.set()
    fine = DataLoader(Hangs(good=99), batch_size=16)
    resumed = fine_tune(model, plain, fine, epochs=2, folder=tmp_path, resume=True, verbose=False)
    assert [epoch.epoch for epoch in resumed.epochs] == [1, 2]


def test_the_first_batch_can_hang_too():
    model, data, stop = network(), Hangs(), threading.Event()
    failed = []

    def run():
        try:
            fine_tune(model, DataLoader(data, batch_size=16), stop=stop, verbose=False)
        except Exception as error:  # noqa: BLE001 - looked at below
            failed.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert data.hanging.wait(30)
    stop.set()
    thread.join(60)
    assert failed == ["Stopped before the first step: Batch 1 of train_loader did not come."]
    assert not is_training(model)
    data.go.set()


def test_data_that_is_only_slow_is_not_left(monkeypatch):
    monkeypatch.setattr(waitings, "GRACE", 30)
    model, data, stop = network(), Hangs(seconds=0.3), threading.Event()
    data.hanging = stop  # asked to stop as soon as the batch is awaited
    training = fine_tune(model, DataLoader(data, batch_size=4), epochs=2, stop=stop, verbose=False)
    assert training.stopped == "Stopped after step 4, in epoch 1 of 2."


def test_both_ways_to_fetch_give_the_same_training():
    class Noisy(Hangs):
        def __getitem__(self, at):
            return torch.randn(4), at % 2  # from the global generator

    def losses(loader):
        training = fine_tune(network(), loader, epochs=2, verbose=False)
        return [epoch.train_loss for epoch in training.epochs]

    beside = []
    loader = DataLoader(Noisy(), batch_size=4, shuffle=True)
    thread = threading.Thread(target=lambda: beside.extend(losses(loader)))
    thread.start()
    thread.join(60)
    assert beside == losses(loader)


def test_one_thread_looks_on_through_all_epochs_and_ends_with_them():
    def looking():
        return [each for each in threading.enumerate() if each.name == "notebookviz-waiting"]

    seen = []

    class Looks(Callback):
        def on_epoch(self, epoch):
            seen.append(looking())

    fine_tune(network(), DataLoader(Hangs(good=99), batch_size=4), epochs=3, callbacks=[Looks()], verbose=False)
    assert len(seen[0]) == 1
    assert seen[0] == seen[1] == seen[2]
    end = time.monotonic() + 10
    while looking():
        assert time.monotonic() < end, "it still looks"
        time.sleep(0.01)
