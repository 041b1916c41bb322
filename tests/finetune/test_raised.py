"""What the user's own code raises is told in one sentence, and all is put back."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from torchmetrics import Metric

from notebookviz import InputError, evaluate, find_learning_rate, fine_tune
from notebookviz.finetune.checkpoint import Checkpoint
from notebookviz.finetune.events import Callback
from notebookviz.finetune.story import Story
from notebookviz.finetune.watching import watch

HERE = r" \(test_raised\.py, line \d+: {}\)\."


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))


def loader(**options):
    torch.manual_seed(0)
    return DataLoader(TensorDataset(torch.randn(32, 4), torch.arange(32) % 2), **{"batch_size": 8, **options})


class At:
    """Raises when it is called for the nth time."""

    def __init__(self, call):
        self.left = call

    def __call__(self, *_):
        self.left -= 1
        if not self.left:
            return 1 / 0
        return None


def loss(call):
    counts = At(call)

    def mine(scores, targets):
        counts()
        return nn.functional.cross_entropy(scores, targets)

    return mine


class Breaks(Callback):
    """Raises in one of its methods."""

    def __init__(self, method):
        setattr(self, method, At(2 if method == "on_step" else 1))


class Measured(Metric):
    def update(self, found, targets):
        raise KeyError("no such class")

    def compute(self):
        return torch.tensor(0.0)


class Late(Metric):
    def update(self, found, targets):
        pass

    def compute(self):
        raise ArithmeticError("nothing was seen")


class Clumsy(torch.optim.SGD):
    def __init__(self, params):
        super().__init__(params, lr=0.1)
        self.counts = At(6)

    def step(self, closure=None):
        self.counts()
        return super().step(closure)


class Torn(torch.optim.lr_scheduler.LRScheduler):
    def get_lr(self):
        if self.last_epoch:
            raise IndexError("no rate for this epoch")
        return self.base_lrs


class Moody(nn.Module):
    """A model that raises in its sixth training pass."""

    def __init__(self):
        super().__init__()
        self.body, self.counts = network(), At(6)

    def forward(self, x):
        if self.training and torch.is_grad_enabled():
            self.counts()
        return self.body(x)


class Rotten(Dataset):
    """Its last sample can't be read when it is read for the nth time."""

    def __init__(self, time=2):
        self.counts = At(time)

    def __len__(self):
        return 32

    def __getitem__(self, at):
        if at == 31:
            self.counts()
        return torch.full((4,), float(at)), at % 2


STEP_6 = "ZeroDivisionError in step 6, epoch 2 of 2: division by zero" + HERE.format("return 1 / 0")
AFTER_5 = r" The weights are those after step 5\."
RAISING = {
    "loss": ({"loss": loss(6)}, f"^The loss raised {STEP_6}{AFTER_5}$"),
    "metric": (
        {"metrics": {"top3": lambda scores, targets: 1 / 0}},
        r"^The metric 'top3' raised ZeroDivisionError after epoch 1 of 2: division by zero \(test_raised",
    ),
    "torchmetric": (
        {"metrics": {"mine": Measured()}},
        r"^The metric 'mine' raised KeyError after epoch 1 of 2: 'no such class'"
        + HERE.format(r'raise KeyError\("no .*"\)'),
    ),
    "metric at the end": (
        {"metrics": {"late": Late()}},
        r"^The metric 'late' raised ArithmeticError after epoch 1 of 2: nothing was seen",
    ),
    "callback": (
        {"callbacks": [Breaks("on_step")]},
        r"^Breaks\.on_step raised ZeroDivisionError after step 2, in epoch 1 of 2: division by zero .* after step 2\.$",
    ),
    "callback of an epoch": (
        {"callbacks": [Breaks("on_epoch")]},
        r"^Breaks\.on_epoch raised ZeroDivisionError after epoch 1 of 2: division by zero .* after step 4\.$",
    ),
    "callback at the end": (
        {"callbacks": [Breaks("on_end")]},
        r"^Breaks\.on_end raised ZeroDivisionError at the end: division by zero .* after step 8\.$",
    ),
    "optimiser": (
        {"optimizer": Clumsy},
        f"^The optimiser raised {STEP_6}" + r" The weights may hold a part of this step\.$",
    ),
    "what builds the optimiser": (
        {"optimizer": lambda groups: torch.optim.SGD(groups, moment=0.9)},
        r"^What builds the optimiser raised TypeError before the first step: .*moment.* \(test_raised\.py, line \d+: ",
    ),
    "no optimiser": (
        {"optimizer": lambda groups: None},
        r"^What builds the optimiser returned NoneType; a torch\.optim\.Optimizer is wanted\.",
    ),
    "scheduler": (
        {"scheduler": Torn},
        r"^The scheduler raised IndexError after epoch 1 of 2: no rate for this epoch" + HERE.format("raise .*"),
    ),
    "what builds the scheduler": (
        {"scheduler": lambda optimizer: 1 / 0},
        r"^What builds the scheduler raised ZeroDivisionError before the first step: division by zero \(test_raised",
    ),
    "no scheduler": ({"scheduler": lambda optimizer: 3}, r"^What builds the scheduler returned int; a scheduler is "),
    "a number as metric": ({"metrics": {"top3": 3}}, r"^The metric 'top3' is 3; a function of \(scores, targets\)"),
    "model": ({"model": Moody}, f"^The model raised {STEP_6}{AFTER_5}$"),
    "data": (
        {"data": Rotten},
        r"^train_loader raised ZeroDivisionError in step 8, epoch 2 of 2: division by zero .* after step 7\.$",
    ),
    "data in a worker": (
        {"data": lambda: Rotten(1), "num_workers": 1},
        r"^train_loader raised ZeroDivisionError in step 4, epoch 1 of 2: ZeroDivisionError: division by zero \(in",
    ),
}


@pytest.mark.parametrize("name", RAISING)
def test_one_sentence_says_what_raised_and_the_training_is_as_it_was(name, tmp_path):
    options, said = RAISING[name]
    options = dict(options)
    model = options.pop("model", network)()
    data = options.pop("data", None)
    train = loader() if data is None else DataLoader(data(), 8, num_workers=options.pop("num_workers", 0))
    model.train()
    model[1].eval() if isinstance(model, nn.Sequential) else None
    modes = [module.training for module in model.modules()]
    told = []
    story = Story(told.append)
    watch(model, story)
    random = torch.get_rng_state()
    with pytest.raises(InputError, match=said) as caught:
        fine_tune(model, train, epochs=2, folder=tmp_path / "run", verbose=False, **options)
    if "returned" not in said and " is 3" not in said:
        assert isinstance(caught.value.__cause__, Exception)
        assert type(caught.value.__cause__).__name__ in said
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert (told[-1]["state"], told[-1]["message"]) == ("failed", str(caught.value))
    json.dumps(told[-1])
    last = tmp_path / "run" / "last"
    if "epoch 2" in said:  # that of the first epoch, whole
        assert Checkpoint.read(last).state["step"] == 4
        assert Checkpoint.read(tmp_path / "run" / "best").state["epoch"] == 1
        again = {"folder": tmp_path / "run", "resume": True, "epochs": 2, "verbose": False}
        if name == "optimiser":
            with pytest.raises(
                InputError, match=r"^The checkpoint's optimiser has no 'betas': it was another one than"
            ):
                fine_tune(model, loader(), **again)
            again["optimizer"] = torch.optim.SGD
        assert fine_tune(model, loader(), **again).steps == 8


def test_a_step_that_raises_leaves_weights_and_statistics_of_the_step_before():
    seen = {}

    class Keeps(Callback):
        def __init__(self, model):
            self.model = model

        def on_step(self, step):
            seen[step.step] = {key: value.clone() for key, value in self.model.state_dict().items()}

    model = network()
    with pytest.raises(InputError, match="The loss raised ZeroDivisionError in step 3"):
        fine_tune(model, loader(), loss=loss(3), callbacks=[Keeps(model)], verbose=False)
    assert all(torch.equal(value, seen[2][key]) for key, value in model.state_dict().items())


class Stream(IterableDataset):
    """Nine samples: the last one comes alone."""

    def __init__(self, labels):
        self.labels = labels

    def __iter__(self):
        for at, label in enumerate(self.labels):
            yield torch.full((4,), float(at)), label


def test_a_lonely_sample_of_a_stream_is_told_and_a_label_without_a_score():
    said = r"^A batch of one sample came in step 3, epoch 1 of 3, and BatchNorm can't .* drop_last=True\.$"
    with pytest.raises(InputError, match=said) as caught:
        fine_tune(network(), DataLoader(Stream([0, 1] * 4 + [0]), batch_size=4), verbose=False)
    assert isinstance(caught.value.__cause__, ValueError)
    said = (
        r"^The loss met the label 7 in step 2, epoch 1 of 3, for which the model has no score\. .* after step 1\. Give"
    )
    with pytest.raises(InputError, match=said):
        fine_tune(network(), DataLoader(Stream([0, 1, 0, 1, 0, 7]), batch_size=4), verbose=False)


def test_evaluate_says_what_is_wrong_with_a_batch():
    labels = torch.tensor([0, 1, 0, 1, 0, 7])
    data = DataLoader(TensorDataset(torch.randn(6, 4), labels), batch_size=4)
    said = (
        r"^The labels of batch 2 go from 0 to 7, but the model has 2 scores\. Give it as many: replace_head\(model, 8\)"
    )
    with pytest.raises(InputError, match=said):
        evaluate(network(), data)
    with pytest.raises(
        InputError, match=r"^The loader raised ZeroDivisionError at batch 4: division by zero \(test_ra"
    ):
        evaluate(network(), DataLoader(Rotten(1), 8))
    ragged = DataLoader([(torch.zeros(4), 0), (torch.zeros(5), 1)], batch_size=1)
    model = network()
    with pytest.raises(InputError, match=r"^The model raised RuntimeError at batch 2: (addmm: )?mat1 and mat2 "):
        evaluate(model, ragged)
    assert model.training


def test_a_search_for_a_rate_and_a_path_instead_of_a_loader_are_told_too():
    with pytest.raises(InputError, match=r"^The loss raised ZeroDivisionError in step 3, epoch 1 of "):
        find_learning_rate(network(), loader(), loss=loss(3))
    with pytest.raises(InputError, match=r"^train_loader is the path 'flowers/train'; a DataLoader is wanted\."):
        fine_tune(network(), "flowers/train")
