"""Kinds of tasks, precision, metrics, schedules, what stays frozen, and losses that are not finite."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from notebookviz import InputError, fine_tune, freeze, replace_head, train_only
from notebookviz.finetune.events import Callback
from notebookviz.finetune.groups import parameter_groups
from tests.finetune import digits

ROOT = Path(__file__).parents[2]


class Losses(Callback):
    def __init__(self):
        self.steps, self.epochs, self.ended = [], [], []

    def on_step(self, step):
        self.steps.append(step)

    def on_epoch(self, epoch):
        self.epochs.append(epoch)

    def on_end(self, training):
        self.ended.append(training)


def linear(outputs):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, outputs))


def inputs(count=256):
    return torch.randn(count, 8, generator=torch.Generator().manual_seed(0))


def tune(model, *tensors, **options):
    data = DataLoader(TensorDataset(*tensors), batch_size=32, shuffle=True)
    return fine_tune(model, data, data, **{"epochs": 10, "lr": 2e-2, "verbose": False, **options})


@pytest.mark.parametrize(
    ("kind", "outputs", "targets", "metric", "least"),
    [
        ("single-label", 2, lambda x: (x.sum(1) > 0).long(), "val_accuracy", 0.95),
        ("multi-label", 3, lambda x: (x[:, :3] > 0).float(), "val_accuracy", 0.95),
        ("multi-label", 1, lambda x: (x.sum(1) > 0).float(), "val_f1", 0.95),
        ("multi-label", 1, lambda x: (x.sum(1, keepdim=True) > 0).long(), "val_f1", 0.95),
        ("regression", 1, lambda x: x.sum(1), "val_r2", 0.95),
        ("regression", 2, lambda x: x[:, :2] * 3, "val_r2", 0.95),
        ("regression", 1, lambda x: x.sum(1, keepdim=True).double(), "val_r2", 0.95),
    ],
)
def test_the_kind_of_task_is_seen_from_the_labels(kind, outputs, targets, metric, least):
    x = inputs()
    training = tune(linear(outputs), x, targets(x))
    assert training.task == kind
    assert training.epochs[-1].metrics[metric] >= least


def test_a_small_transformer_learns_text_from_dictionaries():
    import transformers

    torch.manual_seed(0)
    words = torch.randint(5, 40, (192, 12))
    labels = (words < 12).any(1).long()
    config = transformers.BertConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64
    )
    model = transformers.BertForSequenceClassification(config)
    replace_head(model, 2, labels=["without", "with"])
    data = [
        {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": label}
        for ids, label in zip(words, labels, strict=True)
    ]
    training = fine_tune(
        model, DataLoader(data, batch_size=32, shuffle=True), DataLoader(data, batch_size=64),
        epochs=12, lr=5e-3, verbose=False,
    )  # fmt: skip
    assert training.task == "own loss"
    assert training.epochs[-1].metrics["val_accuracy"] >= 0.9


def test_auxiliary_outputs_count_too():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.fc, self.aux = nn.Linear(8, 8), nn.Linear(8, 2), nn.Linear(8, 2)

        def forward(self, x):
            x = self.body(x)
            return (self.fc(x), self.aux(x)) if self.training else self.fc(x)

    x = inputs()
    model = Two()
    before = model.aux.weight.detach().clone()
    tune(model, x, (x.sum(1) > 0).long(), epochs=1)
    assert not torch.equal(model.aux.weight, before)


def test_own_loss_metric_and_callback():
    x = inputs()
    watch = Losses()
    training = tune(
        linear(1), x, x.sum(1), epochs=2, callbacks=[watch], loss=lambda out, y: (out[:, 0] - y).abs().mean(),
        metrics={"close": lambda out, y: ((out[:, 0] - y).abs() < 1).float().mean()}, monitor="val_close",
    )  # fmt: skip
    assert [step.step for step in watch.steps] == list(range(1, 17))
    assert watch.steps[-1].steps == 16
    assert watch.epochs == list(training.epochs)
    assert watch.ended == [training]
    assert training.best.name == "val_close"
    assert training.best.value == max(epoch.metrics["val_close"] for epoch in training.epochs)


def test_labels_that_the_loss_leaves_out_are_not_measured():
    x = inputs()
    y = (x.sum(1) > 0).long()
    left_out = torch.where(torch.arange(len(y)) % 3 == 0, 255, y)
    model = linear(2)
    training = tune(model, x, left_out, epochs=1, lr=1e-9, loss=nn.CrossEntropyLoss(ignore_index=255))
    assert training.stopped == "The epoch is done."
    kept = left_out != 255
    right = model(x).argmax(1) == y
    assert training.epochs[0].metrics["train_accuracy"] == pytest.approx(float(right[kept].float().mean()))


def test_a_loss_for_each_sample_is_refused_in_words():
    x = inputs()
    with pytest.raises(InputError, match=r"^The loss has the shape \(32,\); one number is wanted\. Return its mean"):
        tune(linear(1), x, x.sum(1), loss=lambda out, y: (out[:, 0] - y).abs())


def test_bfloat16_learns_and_leaves_no_trace():
    model = digits.network()
    train, held_out = digits.loaders()
    attributes = set(vars(model))
    training = fine_tune(model, train, held_out, epochs=2, lr=5e-3, precision="bf16", verbose=False)
    assert training.epochs[-1].metrics["val_accuracy"] > 0.9
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert set(vars(model)) == attributes
    # The next training may choose another precision, and differs from this one.
    plain, losses = digits.network(), [Losses(), Losses()]
    fine_tune(plain, train, epochs=1, callbacks=[losses[0]], verbose=False, metrics={})
    fine_tune(digits.network(), train, epochs=1, callbacks=[losses[1]], precision="bf16", verbose=False, metrics={})
    first, second = ([step.loss for step in watch.steps] for watch in losses)
    assert first != second
    assert first == pytest.approx(second, rel=0.1, abs=0.02)


def test_accumulated_batches_are_one_large_batch():
    images, labels = digits.tensors()
    data = TensorDataset(images[:120], labels[:120])
    losses = []
    for size, count in ((48, 1), (16, 3)):
        watch = Losses()
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        fine_tune(
            model, DataLoader(data, batch_size=size, shuffle=True), accumulate=count, callbacks=[watch],
            verbose=False, metrics={},
        )  # fmt: skip
        losses.append([step.loss for step in watch.steps])
    assert len(losses[0]) == 9
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_frozen_norms_keep_their_statistics_and_frozen_weights_theirs():
    model = digits.network()
    freeze(model, "0", "1.0")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fine_tune(model, digits.loaders()[0], epochs=1, verbose=False, metrics={})
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {
        "1.1.weight", "1.1.bias", "1.1.running_mean", "1.1.running_var", "1.1.num_batches_tracked", "3.weight", "3.bias"
    }  # fmt: skip
    assert model[0][1].training


def test_early_stopping_says_why():
    x = inputs()
    training = tune(linear(2), x, torch.arange(256) % 2, lr=1e-12, scheduler="constant", warmup=0, patience=2)
    assert training.finished
    assert len(training.epochs) < 10
    best = training.best
    assert training.stopped == (
        f"val_loss has not improved for 2 epochs: it was {best.value:.4g} in epoch {best.epoch}."
    )


def test_warm_up_then_cosine():
    watch = Losses()
    x = inputs()
    tune(linear(2), x, torch.arange(256) % 2, epochs=5, lr=1.0, warmup=4, callbacks=[watch], metrics={})
    rates = [step.lr for step in watch.steps]
    assert rates[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] < 0.01


def test_a_schedule_of_ones_own_goes_on_once_an_epoch():
    watch = Losses()
    x = inputs()
    optimizer = torch.optim.SGD((model := linear(2)).parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    tune(model, x, torch.arange(256) % 2, epochs=3, optimizer=optimizer, scheduler=schedule, callbacks=[watch])
    assert [step.lr for step in watch.steps] == [1.0] * 8 + [0.5] * 8 + [0.25] * 8


def test_earlier_blocks_learn_slower_and_vectors_do_not_decay():
    model = digits.network()
    groups = parameter_groups(model, lr=0.1, layer_decay=0.5, weight_decay=0.3)
    found = {group["name"]: (group["lr"], group["weight_decay"], len(group["params"])) for group in groups}
    assert found == {
        "block 1": (0.025, 0.3, 1),
        "block 1, no decay": (0.025, 0.0, 3),
        "block 2": (0.05, 0.3, 1),
        "block 2, no decay": (0.05, 0.0, 3),
        "head": (0.1, 0.3, 1),
        "head, no decay": (0.1, 0.0, 1),
    }
    train_only(model, "head")
    assert [group["name"] for group in parameter_groups(model, lr=0.1, layer_decay=0.5)] == ["head", "head, no decay"]


class Breaks(nn.Module):
    """Gives NaN from its third call in training on."""

    def __init__(self):
        super().__init__()
        self.norm, self.calls = nn.BatchNorm1d(32), 0

    def forward(self, x):
        x = self.norm(x)
        self.calls += self.training
        return x * float("nan") if self.calls >= 3 and self.training else x


def test_a_nan_names_the_module_and_leaves_the_step_before():
    model = nn.Sequential(nn.Linear(8, 32), Breaks(), nn.ReLU(), nn.Linear(32, 2))
    watch, kept = Losses(), {}
    watch.on_step = lambda step: kept.update({name: value.clone() for name, value in model.state_dict().items()})
    x = inputs()
    training = tune(model, x, torch.arange(256) % 2, callbacks=[watch])
    assert training.steps == 2
    assert not training.finished
    assert training.stopped == (
        "The loss became NaN at step 3, in epoch 1: the first value that is not finite came out of '1' (Breaks). "
        "Lower lr, or limit the gradients by clip=1.0. The weights are those of the step before."
    )
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    ("build", "options", "said"),
    [
        (lambda x: x.index_fill(0, torch.tensor([7]), float("nan")), {}, "the batch itself holds values that are not"),
        (
            lambda x: x,
            {"lr": 1e38, "optimizer": torch.optim.SGD},
            r"the weight '.*' was not finite any more|came out of",
        ),
        (
            lambda x: x,
            {"loss": lambda out, y: (out.sum() * 0).log()},
            "every module gave finite values, so the loss fun",
        ),
    ],
)
def test_other_sources_of_a_loss_that_is_not_finite(build, options, said):
    x = inputs()
    training = tune(linear(2), build(x), torch.arange(256) % 2, warmup=0, metrics={}, **options)
    assert not training.finished
    assert said.split("|")[0] in training.stopped or "came out of" in training.stopped


def test_history_is_a_data_frame(monkeypatch):
    x = inputs()
    training = tune(linear(2), x, torch.arange(256) % 2, epochs=2)
    history = training.history
    assert list(history.index) == [1, 2]
    assert {"train_loss", "val_loss", "train_accuracy", "val_accuracy", "val_f1", "lr", "memory"} <= set(
        history.columns
    )
    assert history["val_loss"].tolist() == [epoch.val_loss for epoch in training.epochs]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"This needs pandas, which is not installed\. Run: pip install 'notebookviz"):
        _ = training.history


def train_together(folder):
    """Train on 160 digits in batches of 32 that all processes share; write what was seen to a file for each process."""
    images, labels = digits.tensors()
    train = DataLoader(TensorDataset(images[:160], labels[:160]), batch_size=32, shuffle=True)
    held_out = DataLoader(TensorDataset(images[160:211], labels[160:211]), batch_size=16)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    watch = Losses()
    fine_tune(model, train, held_out, epochs=2, lr=5e-3, clip=1.0, callbacks=[watch], verbose=False)
    seen = [*(step.loss for step in watch.steps), *(step.samples for step in watch.steps)]
    seen += [value for epoch in watch.epochs for value in (epoch.val_loss, epoch.metrics["val_accuracy"])]
    (Path(folder) / str(os.getpid())).write_text(json.dumps(seen))


def test_a_callback_reads_the_gradients_of_its_step_and_none_is_left():
    x, model, norms = inputs(), linear(2), []

    class Norms(Callback):
        def on_step(self, step):
            gradients = [parameter.grad for parameter in model.parameters()]
            norms.append((step.gradient, float(torch.nn.utils.get_total_norm(gradients))))

    tune(model, x, (x.sum(1) > 0).long(), epochs=2, clip=1e6, callbacks=[Norms()])
    assert len(norms) == 16
    assert all(told == pytest.approx(read) for told, read in norms)
    assert all(parameter.grad is None for parameter in model.parameters())


SCRIPT = """
import sys
from accelerate import debug_launcher
from tests.finetune.test_training import train_together
debug_launcher(train_together, (sys.argv[1],), num_processes=2)
"""


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path):
    """Two gloo processes, started by accelerate's own launcher for the CPU."""
    train_together(tmp_path)
    both = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert both.returncode == 0, both.stderr
    seen = {file.name: json.loads(file.read_text()) for file in tmp_path.iterdir()}
    expected = seen.pop(str(os.getpid()))
    assert len(seen) == 2
    for each in seen.values():
        assert each == pytest.approx(expected, abs=1e-4)
