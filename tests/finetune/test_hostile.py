"""Whatever is asked of the Fine-tune tab and stands in a notebook: one sentence answers, and all is put back."""

from __future__ import annotations

import json
import sys
import threading
import time

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import notebookviz.finetune.session as sessions
from notebookviz import InputError, evaluate, training
from notebookviz.capture import capture
from notebookviz.finetune.running import is_training
from notebookviz.finetune.settings import Settings
from notebookviz.finetune.sources import find_sources
from notebookviz.finetune.trying import LearningRates
from notebookviz.finetune.watching import Watcher, watch, watched
from notebookviz.serving.protocol import answer
from notebookviz.training import TrainingTab
from notebookviz.turns import lock_of


class Own(Dataset):
    """Data by a function."""

    def __init__(self, make):
        self.make = make

    def __len__(self):
        return 40

    def __getitem__(self, at):
        return self.make(at)


def leave(_):
    sys.exit("goodbye")


def number(at):
    return torch.full((4,), float(at)), at % 2


class Asked:
    """A tab, its model and what it tells."""

    def __init__(self, patch, **variables):
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 10))
        self.before = {key: value.clone() for key, value in self.model.state_dict().items()}
        self.told = []
        self.recording = capture(self.model, (torch.zeros(2, 4),))
        patch.setattr(training, "variables", lambda: variables)
        self.open()

    def open(self):
        """Another panel of the same model."""
        self.tab = TrainingTab(lambda: self.model, lambda: self.recording)
        self.tab.attach(lambda name, facts: self.told.append((name, json.dumps(facts, allow_nan=False))), lambda: None)

    def ask(self, method, **params):
        message, _ = answer(self.tab.methods, {"id": 1, "method": method, "params": params})
        json.dumps(message, allow_nan=False)
        return message

    def wait(self):
        for each in threading.enumerate():
            if each.name in {"notebookviz-training", "notebookviz-search"}:
                each.join(120)
        assert not self.tab.busy

    def unchanged(self):
        now = self.model.state_dict()
        return now.keys() == self.before.keys() and all(torch.equal(now[key], self.before[key]) for key in now)


NOT_A_NUMBER = float("nan")


@pytest.mark.parametrize("name", ["epochs", "batch", "classes", "rank", "seed", "blocks", "patience"])
@pytest.mark.parametrize("value", [NOT_A_NUMBER, float("inf"), 1e300, 10**40, -1, 1.5, "3", True, [1]])
def test_numbers_that_are_none_are_named(name, value):
    with pytest.raises(InputError, match=f"{name} is"):
        Settings.read({name: value})


def test_a_data_set_that_ends_the_process_ends_only_its_request(monkeypatch):
    asked = Asked(monkeypatch, data=Own(leave))
    assert asked.ask("plan", source="data")["error"]["what"] == "SystemExit: goodbye"
    asked.ask("train", source="data", validation="none")
    asked.wait()
    assert "SystemExit: goodbye" in asked.told[-1][1]
    asked.ask("rates", source="data", validation="none")
    asked.wait()
    assert "SystemExit: goodbye" in asked.told[-1][1]
    assert asked.unchanged()


def test_a_data_set_that_hangs_holds_no_other_request(monkeypatch):
    monkeypatch.setattr(sessions, "_PATIENCE", 0.05)
    begun, go = threading.Event(), threading.Event()

    def hang(at):
        begun.set()
        go.wait(60)
        return number(at)

    asked = Asked(monkeypatch, data=Own(hang))
    thread = threading.Thread(target=asked.ask, args=("plan",), kwargs={"source": "data"})
    thread.start()
    assert begun.wait(60)
    assert "still being read" in asked.ask("plan", source="data")["result"]["data"]["error"]
    go.set()
    thread.join(60)
    assert asked.ask("plan", source="data")["result"]["data"]["error"] == ""


@pytest.mark.parametrize("opened_later", [False, True], ids=["its panel", "a panel opened later"])
@pytest.mark.parametrize("method", ["train", "rates"])
def test_stop_while_the_data_is_read_starts_nothing_and_waits_for_nobody(monkeypatch, method, opened_later):
    begun, go, back = threading.Event(), threading.Event(), threading.Event()

    def hang(at):
        begun.set()
        go.wait(60)
        back.set()
        return number(at)

    asked = Asked(monkeypatch, data=Own(hang), other=Own(number))
    assert asked.ask("halt")["result"] == {"stopping": False}
    asked.ask(method, source="data", validation="none")
    assert begun.wait(60)
    if opened_later:
        asked.open()
    assert asked.ask("train", source="data")["error"]["what"] == "This model is already training."
    assert asked.ask("halt")["result"] == {"stopping": True}
    assert not asked.tab.busy, "Stop waits for data that hangs"
    assert "Stopped before the first step" in asked.told[-1][1]
    told = len(asked.told)
    assert asked.ask("plan", source="other")["result"]["data"]["error"] == "", "other data can be chosen"
    go.set()
    assert back.wait(60)
    time.sleep(0.3)
    assert len(asked.told) == told, "what was left behind still speaks"
    assert asked.unchanged()


def test_a_panel_that_is_opened_later_tells_and_stops_the_training_that_runs(monkeypatch):
    asked = Asked(monkeypatch, data=Own(number))
    asked.ask("train", source="data", validation="none", epochs=100_000)
    while not any('"state": "running"' in facts for _, facts in asked.told):
        assert asked.tab.busy, asked.told
        time.sleep(0.01)
    asked.tab = None  # the cell that shows the model ran again
    asked.open()
    run = asked.ask("tuning")["result"]["run"]
    assert (run["state"], run["planned"]) == ("running", 100_000)
    asked.told.clear()
    assert asked.ask("halt")["result"] == {"stopping": True}
    asked.wait()
    assert json.loads(asked.told[-1][1])["run"]["state"] == "stopped"


def test_stop_ends_a_search_for_a_rate(monkeypatch):
    begun = threading.Event()

    def slow(at):
        begun.set()
        time.sleep(0.005)
        return number(at)

    asked = Asked(monkeypatch, data=Own(slow))
    asked.ask("rates", source="data", validation="none", batch=20)
    while not is_training(asked.model):
        assert asked.tab.busy, asked.told
        time.sleep(0.01)
    began = time.monotonic()
    assert asked.ask("halt")["result"] == {"stopping": True}
    asked.wait()
    assert time.monotonic() - began < 60
    assert asked.told[-1][0] == "rates"
    assert "Stopped before the first step" in asked.told[-1][1]
    assert asked.unchanged()


def test_what_changes_in_place_after_the_look_is_what_is_learned(monkeypatch):
    x, y = torch.zeros(40, 4, dtype=torch.float64), torch.arange(40) % 2
    asked = Asked(monkeypatch, x=x, y=y)
    settings = Settings(source="x, y", validation="none")
    asked.ask("plan", source="x, y", validation="none")
    x.fill_(3.0)
    with asked.tab._session.tried(settings) as (_, data, _):
        assert float(data.train.dataset[0][0][0]) == 3.0


def test_labels_that_count_to_billions_make_no_head(monkeypatch):
    asked = Asked(monkeypatch, data=Own(lambda at: (torch.zeros(4), 2**40 + at)))
    plan = asked.ask("plan", source="data", validation="none")["result"]
    assert plan["head"]["error"].startswith("The labels go up to 1,099,511,627,")
    asked.ask("train", source="data", validation="none")
    asked.wait()
    assert asked.unchanged()


def test_a_loss_that_is_no_number_is_told_as_json(monkeypatch):
    asked, endless = Asked(monkeypatch), float("inf")
    found = LearningRates((1e-3, 1e-2), (1.0, endless), (1.0, endless), None)
    monkeypatch.setattr(asked.tab._session, "rates", lambda *_: found)
    asked.ask("rates")
    asked.wait()
    assert json.loads(asked.told[-1][1])["rates"] == [1e-3]


class Unmade(DataLoader):
    def __init__(self):
        pass


class Proxy:
    @property
    def __class__(self):
        raise RuntimeError("nothing behind it")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [
        TensorDataset,
        lambda: object.__new__(Unmade),
        Proxy,
        lambda: "\ud800",
        lambda: "a\0b",
        nn.UninitializedBuffer,
        lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    ],
)
def test_no_variable_hides_the_others(make, tmp_path):
    names = {"odd": make(), 3: 4, "x": torch.zeros(9, 4), "y": torch.zeros(9)}
    assert "x, y" in [each.key for each in find_sources(names, tmp_path)]


def test_one_label_that_is_true_or_false_is_measured():
    data = TensorDataset(torch.tensor([[-1.0], [1.0], [1.0], [1.0]]), torch.tensor([0.0, 1.0, 1.0, 0.0]))
    found = evaluate(nn.Identity(), DataLoader(data, 2), task="multi-label")
    assert (found.metrics["accuracy"], found.classes[0].recall) == (0.75, 1.0)


class Incomparable(nn.Linear):
    """Raises when it is compared; all have one hash."""

    def __eq__(self, other):
        raise ValueError("not comparable")

    def __hash__(self):
        return 1


class Alike(Incomparable):
    """Says that it is any other."""

    def __eq__(self, other):
        return True

    __hash__ = Incomparable.__hash__


@pytest.mark.parametrize("kind", [Incomparable, Alike])
def test_models_are_told_apart_whatever_they_say_of_themselves(kind):
    first, second = kind(2, 2), kind(2, 2)
    tabs = [TrainingTab(lambda model=model: model, lambda: None) for model in (first, second, first)]
    assert len({id(tab._course) for tab in tabs}) == 2
    assert tabs[0]._course is tabs[2]._course
    assert lock_of(first) is lock_of(first) is not lock_of(second)
    watchers = Watcher(), Watcher()
    for model, watcher in zip((first, second), watchers, strict=True):
        watch(model, watcher)
    with watched(first) as found:
        assert watchers[0] in found
        assert watchers[1] not in found
