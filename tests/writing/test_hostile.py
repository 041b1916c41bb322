"""Whatever a notebook holds, the cells stay Python and mean the same."""

from __future__ import annotations

import ast
import enum
import functools
import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from notebookviz import InputError, fine_tune_cells
from notebookviz.writing.building import _Endless
from notebookviz.writing.code import TAKEN, Names, UnwritableError, make, written

HOSTILE = ['a"b', "x\ny", '"""', "{z}\\", "\u2028", "'); raise SystemExit('", "\ud800"]


def weighted(scores, targets, weights):
    return nn.functional.cross_entropy(scores, targets) * weights.sum()


class Liar(str):
    """A text that says it is code."""

    __slots__ = ()

    def __repr__(self):
        return "exit()"


class Impostor:
    """A class that says it is a builtin with a name that is code."""


Impostor.__module__, Impostor.__qualname__ = "builtins", "exit()"


class Rows(Dataset):
    """The notebook's own data, with names that are not nice."""

    classes = HOSTILE[:4]

    def __len__(self):
        return 40

    def __getitem__(self, at):
        return torch.arange(4.0) + at, at % 4


class Strange:
    def __getattr__(self, name):
        raise AttributeError(name) if name.startswith("_") else RuntimeError(name)


@pytest.mark.parametrize(
    "value",
    [
        Liar("x"),
        [float("inf"), -float("inf")],
        {"class": 1, "__debug__": 2},
        {"\ufb01": 1},
        HOSTILE,
        re.IGNORECASE,
        nn.HuberLoss(delta=float("inf")),
        nn.CrossEntropyLoss(label_smoothing=np.float64(0.5)),
        torch.tensor([0.1, float("inf"), 1 / 3]),
    ],
)
def test_what_is_written_is_equal(value):
    again = make(written(value, Names({})), Names({}))
    assert repr(again) == repr(value) or again == value


@pytest.mark.parametrize(
    "value",
    [
        Impostor,
        re.IGNORECASE | re.MULTILINE,
        enum.Enum("Odd", {"a b": 1}, module="re")["a b"],
        functools.partial(torch.optim.SGD, **{"a b": 1}),
        nn.CrossEntropyLoss(weight=torch.ones(30)),
    ],
)
def test_what_has_no_source_is_refused(value):
    with pytest.raises(UnwritableError):
        written(value, Names({}))


def test_numbers_without_end_are_python():
    assert repr([_Endless("inf")]) == "[float('inf')]"


def test_a_value_has_no_name_that_does_not_last():
    value = torch.zeros(3)
    assert Names({"_": value, "_12": value, "class": value, "weights": value, "mine": value}).of(value) == "mine"
    assert not Names({"_": value, "lr": value}).of(value)


def ran(cells, names):
    """The variables after the cells, without the one that shows."""
    space = dict(names)
    for source in list(cells)[:-1]:
        exec(source, space)  # noqa: S102 - what is tested
    return space


def points():
    torch.manual_seed(0)
    return TensorDataset(torch.randn(40, 4), torch.arange(40) % 4)


def cells(names, train, val, place, **options):
    return fine_tune_cells(names["model"], train, val, names=names, start=place / "s.safetensors", **options)


def test_the_notebooks_own_train_data_is_not_overwritten(tmp_path):
    data = points()
    names = {"model": nn.Sequential(nn.Linear(4, 4)), "train_data": data}
    loaders = DataLoader(Subset(data, range(30)), 8), DataLoader(Subset(data, range(30, 40)), 8)
    space = ran(cells(names, *loaders, tmp_path), names)
    assert space["train_data"] is data
    assert torch.equal(space["val_loader"].dataset[0][0], data[30][0])


@pytest.mark.parametrize("other", [Tensor, Strange(), 3, "text"])
def test_other_variables_do_not_matter(tmp_path, other):
    data = points()
    names = {
        "model": nn.Sequential(nn.Linear(4, 4)),
        "other": other,
        "x": data.tensors[0].numpy(),
        "y": data.tensors[1],
    }
    assert "torch.as_tensor(x, dtype=torch.float32), y" in str(cells(names, DataLoader(data, 8), None, tmp_path))


def test_names_of_classes_folders_and_layers_are_text(tmp_path):
    model = nn.Sequential()
    for name in ["class", "a-b", "q\"'", '"""', "{x}", "\ufb01", "print"]:
        model.add_module(name, nn.Linear(4, 4))
    model.requires_grad_(False)
    model.get_submodule('"""').requires_grad_(True)
    data = Rows()
    names = {"model": model, "data": data}
    options = {"epochs": np.int64(1), "lr": np.float64(0.01), "weight_decay": torch.tensor(0.5), "clip": float("inf")}
    written_cells = cells(names, DataLoader(data, 8), None, tmp_path, folder=tmp_path / "a'\n{x}", **options)
    space = ran(written_cells, names)
    assert (tmp_path / "a'\n{x}" / "best.safetensors").is_file()
    assert [name for name, each in model.named_parameters() if each.requires_grad] == ['""".weight', '""".bias']
    assert (space["lr"], space["weight_decay"]) == (0.01, 0.5)
    assert repr(HOSTILE[:4]) in str(written_cells)


def test_no_name_that_the_cells_set_is_the_notebooks(tmp_path):
    data, weights = Rows(), torch.ones(40)
    names = {"model": nn.Sequential(nn.Linear(4, 4)), "data": data, "weights": weights}
    with pytest.raises(InputError, match="a name that the cells don't set themselves"):
        cells(names, DataLoader(data, 8), None, tmp_path, loss=functools.partial(weighted, weights=weights))
    made = cells(names, DataLoader(data, 8), None, tmp_path, layer_decay=0.5, accumulate=2)
    stored = set()
    for source in made.sources[:7]:
        for node in ast.parse(source).body:
            stored |= {
                each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            }
            stored |= {node.name} if isinstance(node, ast.FunctionDef) else set()
    inside = {
        "inputs",
        "outputs",
        "targets",
        "total",
        "count",
        "found",
        "wanted",
        "batch",
        "scores",
        "predicted",
        "right",
    }
    assert stored <= TAKEN | inside | {
        "classes",
        "c",
        "f1",
        "p",
        "part",
        "loss",
        "main",
        "item",
        "number",
        "train_loader",
    }
