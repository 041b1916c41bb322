"""What is wrong is said before the first step, in words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.optim import lr_scheduler as schedules
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassAccuracy

from notebookviz import (
    InputError,
    add_lora,
    evaluate,
    find_learning_rate,
    fine_tune,
    fine_tune_cells,
    freeze,
    load_fine_tuned,
    load_weights,
    overfit_one_batch,
    replace_head,
)
from notebookviz.finetune.accelerating import accelerating
from notebookviz.finetune.checks import TrainingWarning
from notebookviz.finetune.events import Callback
from tests.finetune import digits


def loader(y, x=None, batch_size=16, **options):
    x = torch.randn(len(y), 64) if x is None else x
    return DataLoader(TensorDataset(x, y), batch_size=batch_size, **options)


def model(classes=10):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, classes))


TEN = torch.arange(32) % 10
ONE_HOT = nn.functional.one_hot(TEN, 10)


class NoLabels:
    def __len__(self):
        return 1

    def __iter__(self):
        yield torch.zeros(4, 64)


class Shuffled(torch.utils.data.Dataset):
    """A data set whose labels can only be seen by reading it."""

    def __init__(self, y):
        self.y = y

    def __len__(self):
        return len(self.y)

    def __getitem__(self, at):
        return torch.zeros(64), self.y[at]


REFUSED = {
    "labels out of range": (
        lambda: (model(5), loader(TEN)),
        r"^The labels go from 0 to 9, but the head '3' has 5 scores\. Give it as many: replace_head\(model, 10\)\.$",
    ),
    "labels from 1": (
        lambda: (model(), loader(TEN + 1)),
        r"go from 1 to 10, but the head '3' has 10 scores\. Classes are counted from 0: pass y - 1\.$",
    ),
    "negative labels": (
        lambda: (model(), loader(TEN - 1)),
        r"go from -1 to 8, .* Classes are counted from 0; only -100 is left out\.$",
    ),
    "one class": (
        lambda: (model(), loader(torch.full((32,), 3))),
        r"^All 32 labels are 3: from one class nothing can be learned\. Check how the labels were made\.$",
    ),
    "float labels": (
        lambda: (model(), loader(TEN.float())),
        r"^The labels are float32 \(16,\) for 10 scores each; class numbers \(int64\) are wanted\. Pass y\.long\(\);",
    ),
    "int32 labels": (
        lambda: (model(), loader(TEN.int())),
        r"^The labels are int32 \(16,\); class numbers are int64\. Pass y\.long\(\)\.$",
    ),
    "one-hot labels": (
        lambda: (model(), loader(ONE_HOT)),
        r"^The labels look one-hot \(int64 \(16, 10\), one 1 in each row\); .* Pass y\.argmax\(1\);",
    ),
    "float one-hot labels": (
        lambda: (model(), loader(ONE_HOT.float())),
        r"^The labels look one-hot \(float32 \(16, 10\)",
    ),
    "a mark for what is left out": (
        lambda: (model(), loader(torch.where(TEN > 7, 255, TEN))),
        r"replace_head\(model, 256\)\. Or, where 255 marks what is left out, pass it as -100\.$",
    ),
    "numbers that are whole": (
        lambda: (model(1), loader(TEN)),
        r"but the head '3' has one score\. To predict numbers, pass y\.float\(\)\. Give it as many: replace_head",
    ),
    "a column of whole numbers": (
        lambda: (model(1), loader(TEN[:, None])),
        r"^The labels are whole numbers \(int64 \(16, 1\)\), one for each score\. To predict numbers, pass y\.float",
    ),
    "a column of labels": (
        lambda: (model(), loader(TEN[:, None])),
        r"^The labels have the shape \(16, 1\); \(16,\) is wanted: one class number each\. Pass y\.squeeze\(1\)\.$",
    ),
    "labels of another shape": (
        lambda: (model(), loader(torch.randn(32, 3))),
        r"^The labels \(float32 \(16, 3\)\) don't fit the scores \(\(16, 10\)\)\. ",
    ),
    "wrong shape": (
        lambda: (model(), loader(TEN, torch.randn(32, 63))),
        r"^The first batch does not go through the model: .*63",
    ),
    "wrong dtype": (lambda: (model(), loader(TEN, torch.randn(32, 64).double())), r"float64.*float32|dtype|double"),
    "an empty loader": (
        lambda: (model(), loader(TEN[:8], drop_last=True)),
        r"^train_loader is empty: it yields no batch\. Check the data set's length, and drop_last",
    ),
    "no labels": (
        lambda: (model(), NoLabels()),
        r"^The loader yields no labels: a batch is a Tensor; \(inputs, targets\) is wanted\. Let the data set return",
    ),
    "a generator": (
        lambda: (model(), iter(loader(TEN))),
        r"^train_loader is \w+, which can be read only once; each epoch reads it anew\. Pass the DataLoader itself\.$",
    ),
    "no loader": (lambda: (model(), 5), r"^train_loader is int; a DataLoader, or another iterable of batches"),
    "a last batch of one, BatchNorm": (
        lambda: (nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)), loader(torch.arange(33) % 10)),
        r"^The last batch of an epoch has one sample \(33 samples in batches of 16\), .* Pass drop_last=True",
    ),
    "batches of one, BatchNorm": (
        lambda: (nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Linear(8, 10)), loader(TEN, batch_size=1)),
        r"BatchNorm in training needs two samples or more: a larger batch_size, and drop_last=True\.$",
    ),
    "more than the model takes": (
        lambda: (model(), DataLoader(TensorDataset(torch.randn(32, 64), TEN, torch.ones(32)), 16)),
        r"^The first batch does not .* 2 positional arguments but 3 were given A batch is \(x, …, y\): ",
    ),
    "pictures that are no tensors": (
        lambda: (model(), DataLoader([(Image.new("RGB", (4, 4)), 0)] * 16, 16)),
        r"^train_loader raised TypeError while its first batch .*PIL\.Image\.Image'>\. Give the data set a transform",
    ),
    "nothing trainable": (
        lambda: (model().requires_grad_(False), loader(TEN)),
        r"^Nothing can learn: all parameters are frozen\. Unfreeze some: unfreeze\(model, 'fc'\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_said_before_the_first_step(name):
    build, said = REFUSED[name]
    network, data = build()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    random = torch.get_rng_state()
    with pytest.raises(InputError, match=said):
        fine_tune(network, data, verbose=False)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.functional.l1_loss])
def test_a_row_of_labels_beside_a_column_of_scores_is_refused_where_the_loss_would_take_it(loss):
    numbers = torch.randn(32)
    name = getattr(loss, "__name__", "MSELoss")
    said = rf"^The labels have the shape \(16,\), the scores \(16, 1\): {name} would not compare them one by one\. "
    with pytest.raises(InputError, match=said + r"Give the labels the shape of the scores: y\.reshape\(-1, 1\)\.$"):
        fine_tune(model(1), loader(numbers), loss=loss, verbose=False)
    fine_tune(model(1), loader(numbers[:, None]), loss=loss, epochs=1, verbose=False)
    fine_tune(model(1), loader(numbers), loss=lambda out, y: loss(out[:, 0], y), epochs=1, verbose=False)


def test_validation_labels_are_checked_too():
    with pytest.raises(InputError, match=r"^The labels of val_loader go from 0 to 11, but the head '3' has 10 scores"):
        fine_tune(model(), loader(TEN), loader(torch.arange(12)), verbose=False)
    with pytest.raises(InputError, match=r"^val_loader is empty"):
        fine_tune(model(), loader(TEN), loader(TEN[:0]), verbose=False)


def test_names_of_classes_must_fit():
    with pytest.raises(InputError, match=r"^3 labels were passed, but the head '3' has 10 scores\. Give it as many"):
        fine_tune(model(), loader(TEN), labels=["a", "b", "c"], verbose=False)


@pytest.mark.parametrize(
    ("network", "data", "said"),
    [
        (
            lambda: model(100),
            lambda: loader(TEN),
            r"^The data has 10 classes, the head '3' has 100 scores: replace_head",
        ),
        (
            model,
            lambda: DataLoader(Shuffled(TEN.sort().values.repeat_interleave(4)), batch_size=8),
            r"^All 8 labels of the first batch are 0: if the data is sorted, pass shuffle=True\.$",
        ),
    ],
)
def test_what_is_suspicious_is_a_warning(network, data, said):
    with pytest.warns(TrainingWarning, match=said):
        fine_tune(network(), data(), epochs=1, verbose=False, metrics={})


def test_an_old_optimizer_is_refused():
    from notebookviz import replace_head

    network = model()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    change = replace_head(network, 10)
    assert "The optimiser SGD still holds the old head: make a new one." in str(change)
    with pytest.raises(InputError, match=r"^The optimiser does not hold 2 of the parameters that learn, .*'3\.weight'"):
        fine_tune(network, loader(TEN), optimizer=optimizer, verbose=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"epochs": 0}, r"^epochs is 0; it is a whole number, at least 1\.$"),
        ({"accumulate": 1.5}, r"^accumulate is 1\.5; it is a whole number"),
        (
            {"scheduler": "step"},
            r"^scheduler is 'step'; a scheduler is .* names are 'cosine', 'linear', 'constant'\.",
        ),
        ({"task": "vision"}, r"^task is 'vision'; known are None, 'single-label'"),
        ({"lr": 0}, r"^lr is 0; it is a number above 0\."),
        (
            {"monitor": "val_accuracy"},
            r"^monitor is 'val_accuracy', which is not measured\. Measured are: 'train_loss'",
        ),
        ({"metrics": 5}, r"^metrics is int; wanted is a torchmetrics metric"),
        ({"patience": -1}, r"^patience is -1; it is a whole number, at least 1\.$"),
        ({"clip": -1.0}, r"^clip is -1\.0; it is a norm of gradients, above 0\."),
        ({"lr": float("nan")}, r"^lr is nan; it is a number above 0\."),
        ({"warmup": -1}, r"^warmup is -1; it is a number of steps, or below 1 a part of all steps\."),
        ({"scheduler": 5}, r"^scheduler is 5; a scheduler is wanted, what builds one from the optimiser, or a name\."),
        ({"lr": "fast"}, r"^lr is 'fast'; it is a number above 0\. For example lr=1e-3\.$"),
        ({"layer_decay": -1}, r"^layer_decay is -1; it is above 0 and at most 1\."),
        ({"weight_decay": None}, r"^weight_decay is None; it is at least 0\."),
        ({"warmup": "x"}, r"^warmup is 'x'; it is a number of steps, or below 1 a part of all steps\."),
        ({"clip": "x"}, r"^clip is 'x'; it is a norm of gradients, above 0\."),
        ({"seed": "x"}, r"^seed is 'x'; it is a whole number\.$"),
        ({"precision": "int8"}, r"^precision is 'int8'; known are None, 'no', 'bf16', 'fp16'\.$"),
        ({"scheduler_step": "batch"}, r"^scheduler_step is 'batch'; known are None, 'step', 'epoch'\.$"),
        ({"labels": "abcdefghij"}, r"^labels is 'abcdefghij'; a list of names is wanted\."),
        ({"labels": 3}, r"^labels is 3; a list of names is wanted\."),
        ({"callbacks": print}, r"^callbacks is <built-in function print>; a list of Callback objects is wanted\."),
        ({"stop": True}, r"^stop is True; a threading\.Event is wanted\.$"),
        ({"accelerator": 3}, r"^accelerator is 3; an accelerate\.Accelerator is wanted\.$"),
        ({"folder": 3}, r"^folder is 3; a folder is wanted\."),
        (
            {"folder": __file__},
            r"^folder is '.*test_checks\.py'; a folder is wanted\. Name one that is not there",
        ),
        ({"transform": 3}, r"^transform is 3; a function of an image is wanted\.$"),
        (
            {"loss": torch.nn.CrossEntropyLoss},
            r"^loss is <class '.*CrossEntropyLoss'>; a function of \(outputs",
        ),
        ({"loss": "mse"}, r"^loss is 'mse'; a function of \(outputs, targets\) is wanted\."),
        ({"loss": lambda *_: None}, r"^The loss is NoneType; a tensor is wanted\. Return it"),
        ({"loss": lambda *_: 3.0}, r"^The loss is float; a tensor is wanted\."),
        ({"loss": lambda found, _: found.sum(1)}, r"^The loss has the shape \(16,\); one number is wanted\."),
        ({"loss": lambda found, _: found.detach().mean()}, r"^The loss does not depend on what learns\."),
        ({"optimizer": "sgd"}, r"^optimizer is 'sgd'; an optimiser is wanted, or what builds one\."),
        ({"optimizer": torch.optim.LBFGS}, r"^LBFGS runs the model several times in a step\."),
        (
            {"callbacks": [print]},
            r"^callbacks is \[<built-in function print>\]; a list of Callback objects is wanted\.",
        ),
        (
            {"scheduler": schedules.ReduceLROnPlateau, "scheduler_step": "step"},
            r"^ReduceLROnPlateau looks at the loss of an epoch",
        ),
        (
            {
                "scheduler": lambda optimizer: schedules.OneCycleLR(optimizer, 0.1, total_steps=1),
                "scheduler_step": "step",
            },
            r"^The scheduler OneCycleLR has 1 steps; this training asks it 2 times\. Give it total_steps=2\.$",
        ),
        (
            {"scheduler": lambda _: schedules.StepLR(torch.optim.SGD([torch.zeros(1)], 0.1), 1)},
            r"^The scheduler StepLR belongs to another optimiser, so it would change nothing\.",
        ),
    ],
)
def test_options_are_checked(options, said):
    with pytest.raises(InputError, match=said):
        fine_tune(model(), loader(TEN), verbose=False, **{"epochs": 1, **options})
    with pytest.raises(InputError, match=r"^fine_tune\(\) got str; it wants a torch\.nn\.Module\.$"):
        fine_tune("resnet18", loader(TEN))


@pytest.mark.parametrize("metrics", [None, {"close": lambda out, y: (out.argmax(1) == y).float().mean()}])
def test_what_is_not_measured_can_not_tell_the_best_epoch_and_no_step_is_taken(metrics):
    network = model()
    before = [parameter.clone() for parameter in network.parameters()]
    with pytest.raises(InputError, match=r"^monitor is 'val_acc', which is not measured\. Measured are: 'train_loss'"):
        fine_tune(network, loader(TEN), loader(TEN), monitor="val_acc", metrics=metrics, verbose=False)
    assert all(torch.equal(one, two) for one, two in zip(before, network.parameters(), strict=True))
    named = "val_accuracy" if metrics is None else "val_close"
    assert (
        fine_tune(network, loader(TEN), loader(TEN), monitor=named, metrics=metrics, verbose=False).best.name == named
    )


def test_validation_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"^The first batch of val_loader does not go .*\[\(60,\)\].*\[\(64,\)\]"):
        fine_tune(model(), loader(TEN), loader(TEN, torch.randn(32, 60)), verbose=False)
    sequences = nn.Sequential(nn.AdaptiveAvgPool1d(8), nn.Flatten(), nn.Linear(8, 10))
    longer = loader(TEN, torch.randn(32, 1, 90))
    assert fine_tune(sequences, loader(TEN, torch.randn(32, 1, 64)), longer, epochs=1, verbose=False).finished


def test_a_metric_of_several_numbers_is_refused():
    metrics = {"each": MulticlassAccuracy(10, average=None)}
    with pytest.raises(
        InputError, match=r"^The metric 'each' gave Tensor of the shape \(10,\); one number is wanted\."
    ):
        fine_tune(model(), loader(TEN), metrics=metrics, epochs=1, verbose=False)


def test_data_without_a_length_is_learned_from():
    class Stream(torch.utils.data.IterableDataset):
        def __iter__(self):
            return iter((torch.randn(64), at % 10) for at in range(32))

    steps = []

    class Seen(Callback):
        def on_step(self, step):
            steps.append((step.step, step.steps, step.seconds_left, step.lr))

    training = fine_tune(model(), DataLoader(Stream(), batch_size=16), epochs=2, callbacks=[Seen()], verbose=False)
    assert training.finished
    assert steps == [(at, None, None, 1e-3) for at in range(1, 5)]


def test_a_model_that_takes_no_labels_is_told_how():
    batches = [{"input": torch.randn(8, 64), "labels": TEN[:8]}]
    with pytest.raises(
        InputError, match=r"unexpected keyword argument 'labels' Pass a loss, and the model gets no labels"
    ):
        fine_tune(model(), batches, verbose=False)
    assert fine_tune(model(), batches, loss=nn.CrossEntropyLoss(), epochs=1, verbose=False).finished


def test_one_batch_tells_whether_a_model_can_learn():
    network = model()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    found = overfit_one_batch(network, digits.loaders()[0], lr=2e-2)
    assert found.learned
    assert str(found).startswith("The loss of one batch of 64 went from 2.")
    assert str(found).endswith("in 50 steps: the model can learn.")
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    freeze(network, "1", "3.weight")
    slow = overfit_one_batch(network, digits.loaders()[0], steps=10)
    assert not slow.learned
    assert str(slow).endswith("it learns slowly. Try more steps, another lr, or unfreeze more.")


def test_one_batch_of_a_model_that_learns_nothing():
    found = overfit_one_batch(model(), digits.loaders()[0], steps=5, lr=50.0)
    assert not found.learned
    assert "it learns nothing. Check that labels belong to their inputs" in str(found)


def adapted():
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    add_lora(network)
    return add_lora(network)


def measured(task, targets, **options):
    data = DataLoader(TensorDataset(torch.randn(8, 4), targets), 4)
    return evaluate(nn.Linear(4, 3), data, task=task, **options)


NUMBERS = torch.arange(8) % 3
CALLS = {
    "no model": (lambda: evaluate(None, []), r"^evaluate\(\) got NoneType; it wants a torch\.nn\.Module\.$"),
    "no model to try": (lambda: find_learning_rate(None, []), r"^find_learning_rate\(\) got NoneType; it wants"),
    "no model to overfit": (lambda: overfit_one_batch("x", []), r"^overfit_one_batch\(\) got str; it wants"),
    "no model for LoRA": (lambda: add_lora(None), r"^add_lora\(\) got NoneType; it wants"),
    "no model to freeze": (lambda: freeze(None), r"^Got NoneType; a torch\.nn\.Module is wanted\.$"),
    "no model for weights": (lambda: load_weights(None, "x"), r"^load_weights\(\) got NoneType; it wants"),
    "no path": (lambda: load_weights(nn.Linear(2, 1), 3), r"^path is int; the path of a file is wanted\.$"),
    "no folder": (lambda: load_fine_tuned(3), r"^folder is int; a path is wanted\."),
    "no such checkpoint": (
        lambda: load_fine_tuned("x", which="middle"),
        r"^which is 'middle'; known are 'best'",
    ),
    "no pattern": (lambda: freeze(nn.Linear(2, 1), 3), r"^A pattern is 3; a text is wanted\. It is 'all', 'head'"),
    "no number of worst": (
        lambda: measured(None, NUMBERS, worst=-1),
        r"^worst is -1; it is a whole number, at least 0",
    ),
    "no names": (lambda: measured(None, NUMBERS, labels=5), r"^labels is 5; a list of names is wanted\."),
    "no task": (lambda: measured("x", NUMBERS), r"^task is 'x'; known are None, 'single-label'"),
    "another task": (lambda: measured("multi-label", NUMBERS), r"^The labels \(4,\) don't fit the scores \(4, 3\)"),
    "nothing to measure": (
        lambda: measured("single-label", torch.full((8,), -100)),
        r"^There is nothing to measure: all labels are -100\.",
    ),
    "texts as labels": (
        lambda: evaluate(nn.Linear(4, 3), [(torch.randn(2, 4), ["a", "b"])]),
        r"^The labels are list; a tensor is wanted\. Number the classes\.$",
    ),
    "steps": (lambda: find_learning_rate(nn.Linear(2, 1), [], steps="a"), r"^steps is 'a'; it is a whole number"),
    "a rate": (lambda: find_learning_rate(nn.Linear(2, 1), [], lowest="a"), r"^lowest is 'a'; it is a number above 0"),
    "no rate": (
        lambda: find_learning_rate(nn.Linear(64, 10), loader(TEN, torch.full((32, 64), float("nan")))),
        r"^The loss became NaN at step 1, in epoch 1: the batch itself holds values that are not finite\.",
    ),
    "a rank": (lambda: add_lora(nn.Linear(2, 1), rank=0), r"^rank is 0; it is a whole number, at least 1\.$"),
    "LoRA twice": (
        adapted,
        r"^This model has LoRA already\. Call merge\(\) or undo\(\) of what add_lora",
    ),
    "lazy": (
        lambda: fine_tune(nn.Sequential(nn.LazyLinear(3)), loader(TEN)),
        r"^'0\.weight' has no shape yet \(a lazy layer\)\. Run the model once on a batch: model\(x\)\.$",
    ),
    "without values": (
        lambda: fine_tune(nn.Linear(64, 10, device="meta"), loader(TEN)),
        r"^'weight' is on the meta device, without values\. Build the model on a device, or",
    ),
    "a seed": (lambda: replace_head(nn.Linear(8, 4), 3, seed="x"), r"^seed is 'x'; it is a whole number\.$"),
    "a head that no memory holds": (
        lambda: replace_head(nn.Sequential(nn.Linear(8, 4)), 10**13),
        r"^'0' \(Linear\) can't be built with 10,000,000,000,000 outputs: ",
    ),
    "variables for cells": (
        lambda: fine_tune_cells(nn.Linear(64, 10), loader(TEN), names=3),
        r"^names is int; a dictionary is wanted\. Pass names=globals\(\)\.$",
    ),
    "a rate for cells": (
        lambda: fine_tune_cells(nn.Linear(64, 10), loader(TEN), names={}, lr="a"),
        r"^lr is 'a'; it is a number above 0\.",
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_other_calls_say_what_they_want(name):
    call, said = CALLS[name]
    with pytest.raises(InputError, match=said):
        call()


def test_numbers_of_numpy_are_numbers(tmp_path):
    options = {"epochs": np.int64(1), "lr": np.float32(0.01), "seed": np.int64(3), "accumulate": np.int32(2)}
    training = fine_tune(model(), loader(TEN), folder=tmp_path / "run", verbose=False, **options)
    assert training.finished
    assert training.last is not None


def test_a_precision_that_is_not_possible_does_not_stay():
    with pytest.raises(InputError, match=r"^precision='fp8' is not possible here: "), accelerating(None, "fp8"):
        pass
    with accelerating(None, "bf16") as accelerator:
        assert accelerator.mixed_precision == "bf16"
