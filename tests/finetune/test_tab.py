"""What the Fine-tune tab finds, plans, trains and tells; without a browser."""

from __future__ import annotations

import base64
import io
import json
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, WeightedRandomSampler

from notebookviz import fine_tune
from notebookviz.errors import InputError
from notebookviz.finetune.advice import advice
from notebookviz.finetune.evaluation import evaluate
from notebookviz.finetune.events import Callback, Epoch
from notebookviz.finetune.preprocessing import sized
from notebookviz.finetune.running import stop_training
from notebookviz.finetune.samples import png, samples
from notebookviz.finetune.session import Session
from notebookviz.finetune.settings import Settings
from notebookviz.finetune.sources import data_set_of, find_sources
from notebookviz.finetune.splitting import classes_of, loaders
from notebookviz.finetune.story import Story
from notebookviz.finetune.watching import watch
from notebookviz.turns import Turn, lock_of


class Touchy(Dataset):
    """A data set whose code must not run before it is chosen."""

    def __len__(self):
        raise AssertionError("its length was asked for")

    def __getitem__(self, _):
        raise AssertionError("a sample was read")


class Endless(IterableDataset):
    def __iter__(self):
        return iter([(torch.zeros(4), 0), (torch.ones(4), 1)])


def points(count=64, classes=2):
    """Points that one linear layer can tell apart."""
    y = torch.arange(count) % classes
    torch.manual_seed(0)
    return TensorDataset(torch.randn(count, 4) * 0.1 + nn.functional.one_hot(y, 4) * 2.0, y)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 10))


def session(model, told=None, **variables):
    """A session, and the list of what it tells."""
    told = [] if told is None else told
    story = Story(lambda run: told.append(json.loads(json.dumps(run))))
    watch(model, story)
    return Session(lambda: model, lambda: variables, lambda: None, story), told


def keys(found):
    return [each.key for each in found]


# What there is.


def test_data_is_listed_by_name_and_no_code_of_the_user_runs(tmp_path):
    data = points()
    names = {
        "train_set": data,
        "loader": DataLoader(data, batch_size=8),
        "touchy": Touchy(),
        "X_train": np.zeros((9, 4)),
        "y_train": np.zeros(9, int),
        "X_test": np.zeros((9, 4)),
        "y_test": np.zeros(9, int),
        "_hidden": data,
        "number": 3,
        "weight": nn.Parameter(torch.zeros(9, 4)),
    }
    found = find_sources(names, tmp_path)
    assert keys(found) == ["train_set", "touchy", "loader", "X_train, y_train", "X_test, y_test"]
    assert found[0].text == "TensorDataset, 64 samples"
    assert found[2].text == "DataLoader of TensorDataset, batches of 8"


def test_arrays_without_telling_names_are_paired_by_length(tmp_path):
    names = {"pictures": torch.zeros(9, 4), "answers": torch.zeros(9), "other": torch.zeros(8)}
    assert keys(find_sources(names, tmp_path)) == ["pictures, answers"]


def test_image_folders_are_found_by_variable_and_beside_the_notebook(tmp_path):
    for name in ("flowers/train/rose", "flowers/train/tulip", "pets/cat", "pets/dog", "empty/a", "empty/b"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("flowers/train/rose", "flowers/train/tulip", "pets/cat", "pets/dog"):
        Image.new("RGB", (9, 7), "red").save(tmp_path / name / "1.png")
    found = find_sources({"place": str(tmp_path / "pets"), "text": "no path\0"}, tmp_path)
    assert [(each.key, each.text) for each in found] == [
        ("place", "images in 2 folders: cat, dog"),
        ("flowers/train", "images in 2 folders: rose, tulip"),
    ]
    data = data_set_of(found[0], sized((3, 16, 16)).transform)
    assert data[0][0].shape == (3, 16, 16)
    assert classes_of(loaders(data).train).names == ("cat", "dog")
    with pytest.raises(InputError, match="place holds images; the model takes none"):
        data_set_of(found[0], None)


def test_arrays_become_what_losses_want(tmp_path):
    names = {"X": np.zeros((6, 4)), "y": np.arange(6, dtype=np.uint8)}
    x, y = data_set_of(find_sources(names, tmp_path)[0])[5]
    assert (x.dtype, y.dtype, int(y)) == (torch.float32, torch.int64, 5)


# How it is divided.


def test_a_split_is_the_same_for_the_same_seed_and_loses_nothing():
    first, again, other = (loaders(points(), share=0.25, seed=seed) for seed in (3, 3, 4))
    kept = [sorted(each.validation.dataset.indices) for each in (first, again, other)]
    assert kept[0] == kept[1] != kept[2]
    assert sorted(kept[0] + list(first.train.dataset.indices)) == list(range(64))
    assert first.text == "48 samples to learn from, 16 to validate."


def test_a_part_of_a_loader_keeps_its_settings():
    found = loaders(DataLoader(points(), batch_size=5, shuffle=True), share=0.25)
    assert found.train.batch_size == 5
    assert type(found.train.sampler).__name__ == "RandomSampler"
    assert type(found.validation.sampler).__name__ == "SequentialSampler"


def test_what_can_not_be_divided_is_said():
    with pytest.raises(InputError, match="Endless has no order"):
        loaders(Endless(), share=0.2)
    weighted = DataLoader(points(), sampler=WeightedRandomSampler([1.0] * 64, 64))
    with pytest.raises(InputError, match="draws its samples by WeightedRandomSampler"):
        loaders(weighted, share=0.2)
    with pytest.raises(InputError, match="20% of 2 samples can't be kept"):
        loaders(points(2), share=0.2)


def test_a_last_batch_of_one_is_left_out():
    assert loaders(points(33), batch=32).train.drop_last
    assert not loaders(points(34), batch=32).train.drop_last


def test_classes_are_counted_where_labels_are_not_in_memory():
    class Plain(Dataset):
        def __len__(self):
            return 40

        def __getitem__(self, at):
            return torch.zeros(4), at % 7

    found = classes_of(DataLoader(Plain(), batch_size=4))
    assert (found.count, found.text) == (7, "counted in 40 labels; give the number if there are more")


# One batch.


def test_images_are_shown_as_small_pictures_with_the_names_of_their_labels():
    bright = torch.zeros(3, 200, 100)
    bright[0] = 5.0
    found = samples((bright[None], torch.tensor([1])), ("cat", "dog"))
    assert found[0]["label"] == "dog"
    picture = Image.open(io.BytesIO(base64.b64decode(found[0]["picture"].partition(",")[2])))
    assert picture.size == (48, 96)
    assert picture.getpixel((5, 5)) == (255, 0, 0)


def test_a_picture_without_any_contrast_or_with_nan_is_no_error():
    for image in (torch.full((1, 4, 4), 7.0), torch.full((3, 4, 4), float("nan"))):
        assert Image.open(io.BytesIO(png(image))).size == (4, 4)


def test_numbers_and_several_labels_are_shown_as_text():
    found = samples((torch.arange(9.0)[None], torch.tensor([[1.0, 0.0, 1.0]])), ("a", "b", "c"))
    assert found == [{"label": "a, c", "text": "0, 1, 2, 3, 4, 5, …"}]


# Settings.


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epochs": 0}, "epochs is '0'; it is a whole number, at least 1"),
        ({"epochs": 1.5}, "epochs is '1.5'"),
        ({"lr": "fast"}, "lr is 'fast'; it is a number above 0"),
        ({"share": 0.95}, "at most 0.9"),
        ({"optimizer": "__class__"}, "Known are 'AdamW', 'SGD'"),
        ({"source": ["x"]}, "source is .* it is a text"),
    ],
)
def test_settings_that_make_no_sense_are_refused(given, said):
    with pytest.raises(InputError, match=said):
        Settings.read(given)


# Looking ahead.


def test_a_plan_says_each_step_and_changes_nothing():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found, _ = session(model, train_set=points())
    random = torch.get_rng_state()
    plan = found.plan(Settings(source="train_set", batch=8))
    assert plan["head"] == {
        "text": "2: Linear 8 → 10 becomes 8 → 2, with new weights. Classes: counted in all 51 labels.",
        "error": "",
        "path": "2",
    }
    assert plan["learn"]["text"] == "18 of 58 parameters learn."
    assert plan["learn"]["names"] == ["2.weight", "2.bias"]
    assert plan["data"]["text"] == "51 samples to learn from, 13 to validate."
    assert plan["run"]["text"] == "21 steps, 7 in each epoch."
    assert len(plan["samples"]) == 8
    assert model[2].out_features == 10
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())


def test_what_is_wrong_is_said_beside_its_step():
    model = network()
    data = TensorDataset(torch.zeros(8, 5), torch.arange(8) % 2)
    found, _ = session(model, wrong=data, train_set=points())
    assert "gone" in found.plan(Settings(source="gone"))["data"]["error"]
    assert "'nowhere' is no layer" in found.plan(Settings(path="nowhere"))["head"]["error"]
    assert "'9.weight' is no parameter" in found.plan(Settings(learn="ticks", names=("9.weight",)))["learn"]["error"]
    shapes = found.plan(Settings(source="wrong", head="keep"))
    assert "first batch does not go through" in shapes["run"]["error"] or shapes["head"]["error"]
    nothing = found.plan(Settings(source="train_set", learn="ticks", names=()))
    assert "Nothing can learn" in nothing["run"]["error"]


def test_data_is_read_once_for_the_same_settings_and_anew_for_another_variable():
    read = []

    class Counted(Dataset):
        classes = ("a", "b")

        def __len__(self):
            return 8

        def __getitem__(self, at):
            read.append(at)
            return torch.zeros(4), at % 2

    variables = {"data": Counted()}
    model = network()
    found = Session(lambda: model, lambda: variables, lambda: None, Story(lambda _: None))
    found.plan(Settings(source="data", batch=2, share=0.5))
    once = len(read)
    found.plan(Settings(source="data", batch=2, share=0.5, learn="all"))
    assert len(read) == once + 4, "only the checks read a batch of each loader"
    variables["data"] = Counted()
    found.plan(Settings(source="data", batch=2, share=0.5))
    assert len(read) > once + 8


# Training.


def test_a_run_trains_the_model_itself_and_tells_its_story(tmp_path):
    model = network()
    found, told = session(model, train_set=points())
    changes = []
    folder = str(tmp_path / "run")
    facts = found.run(
        Settings(source="train_set", batch=8, epochs=4, lr=0.05, folder=folder),
        threading.Event(),
        lambda: changes.append(model[2].out_features),
    )
    assert changes == [2, 2]
    assert facts["measured"]["accuracy"] == 1.0
    assert np.array(facts["confusion"]).sum() == 13
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == ["2.weight", "2.bias"]
    run = told[-1]
    assert (run["state"], run["planned"], run["step"], run["steps"]) == ("ending", 4, 28, 28)
    assert len(run["losses"]) == 28
    assert run["epochs"][-1]["metrics"]["val_accuracy"] == 1.0
    assert run["last"] == str(tmp_path / "run" / "last")
    assert [each["state"] for each in told][:2] == ["preparing", "running"]


def test_what_can_not_be_measured_stays_trained(monkeypatch):
    model = network()
    found, _ = session(model, train_set=points())

    def fails(*_, **__):
        raise RuntimeError("no metrics here")

    monkeypatch.setattr("notebookviz.finetune.session.measure", fails)
    facts = found.run(Settings(source="train_set", batch=16, epochs=1), threading.Event(), lambda: None)
    assert facts == {"unmeasured": "It could not be measured: no metrics here"}
    assert model[2].out_features == 2


def test_dictionaries_and_numbers_are_learned_from_too():
    class Texts(Dataset):
        def __len__(self):
            return 24

        def __getitem__(self, at):
            return {"x": torch.full((4,), float(at % 3)), "labels": at % 3}

    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(4, 8), nn.Linear(8, 5)

        def forward(self, x, labels=None):
            scores = self.head(self.body(x).relu())
            loss = None if labels is None else nn.functional.cross_entropy(scores, labels)
            return {"logits": scores} if loss is None else {"loss": loss, "logits": scores}

    named, plain = Named(), network()
    settings = Settings(source="texts", batch=8, epochs=1)
    facts = session(named, texts=Texts())[0].run(settings, threading.Event(), lambda: None)
    assert named.head.out_features == 3
    assert np.array(facts["confusion"]).shape == (3, 3)
    numbers = Settings(source="X, y", batch=8, epochs=1, learn="all")
    facts = session(plain, X=torch.rand(24, 4), y=np.random.default_rng(0).random(24))[0].run(
        numbers, threading.Event(), lambda: None
    )
    assert plain[2].out_features == 1
    assert set(facts["measured"]) == {"mae", "r2"}


def test_the_same_settings_give_the_same_model():
    weights = []
    for _ in range(2):
        model = network()
        session(model, train_set=points())[0].run(
            Settings(source="train_set", batch=8, epochs=2), threading.Event(), lambda: None
        )
        weights.append(model[2].weight.detach().clone())
    assert torch.equal(*weights)


def test_what_can_not_start_is_put_back():
    model = network()
    head = model[2]
    found, told = session(model, wrong=TensorDataset(torch.zeros(8, 4), torch.full((8,), 1)))
    with pytest.raises(InputError, match="All 6 labels are 1"):
        found.run(Settings(source="wrong", batch=4), threading.Event(), lambda: None)
    assert model[2] is head
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert told[-1]["state"] == "failed"


def test_finding_a_rate_leaves_the_model_as_it_was():
    model = network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    head = model[2]
    found, _ = session(model, train_set=points())
    rates = found.rates(Settings(source="train_set", batch=8), threading.Event())
    assert len(rates.losses) > 10
    assert model[2] is head
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_a_training_in_a_cell_is_watched_too_and_can_be_stopped():
    model = network()
    found, told = session(model)

    class Stops(Callback):
        def on_step(self, step):
            if step.step == 3:
                assert stop_training(model)

    data = TensorDataset(torch.randn(32, 4), torch.arange(32) % 10)
    training = fine_tune(model, DataLoader(data, batch_size=8), epochs=2, callbacks=[Stops()], verbose=False)
    assert training.steps == 3
    assert told[-1]["state"] == "stopped"
    assert told[-1]["background"] is False
    assert not stop_training(model)
    del found


def test_who_can_not_be_told_ends_no_training():
    model = network()

    def gone(_):
        raise RuntimeError("this panel was closed")

    story = Story(gone)
    watch(model, story)
    training = fine_tune(model, DataLoader(points(classes=4), batch_size=16), epochs=1, verbose=False)
    assert training.finished
    assert story.state == "done"


def test_what_was_learned_beside_the_layers_stays_when_the_training_breaks_off():
    class Breaks(Dataset):
        def __len__(self):
            return 24

        def __getitem__(self, at):
            if at == 23 and lora_there(model):
                raise OSError("the disk is gone")
            return torch.full((4,), float(at)), at % 2

    def lora_there(network):
        return any("lora_" in name for name, _ in network.named_parameters())

    model = network()
    before = model[0].weight.detach().clone()
    found, told = session(model, data=Breaks())
    settings = Settings(source="data", learn="lora", validation="none", batch=4, lr=0.1)
    with pytest.raises(InputError, match="train_loader raised OSError in step"):
        found.run(settings, threading.Event(), lambda: None)
    assert not lora_there(model)
    assert not torch.equal(before, model[0].weight) or told[-1].get("step") is None
    assert told[-1]["state"] == "failed"


def test_who_reads_the_model_gets_a_turn_between_two_steps():
    model = network()
    found, _ = session(model, train_set=points(512))
    stop = threading.Event()
    run = threading.Thread(
        target=lambda: found.run(Settings(source="train_set", batch=8, epochs=200), stop, lambda: None)
    )
    run.start()
    try:
        while found.story.state != "running":
            time.sleep(0.01)
        waits = []
        for _ in range(20):
            began = time.monotonic()
            with lock_of(model):
                waits.append(time.monotonic() - began)
                before = [parameter.detach().clone() for parameter in model.parameters()]
                time.sleep(0.02)
                assert all(map(torch.equal, before, model.parameters())), "a step ran meanwhile"
        assert max(waits) < 20
        assert found.story.state == "running", "it ended too soon to prove anything"
    finally:
        stop.set()
        run.join(120)


def test_a_turn_goes_to_who_waits_and_not_to_who_has_just_had_it():
    turn, order = Turn(), []

    def read():
        with turn:
            order.append("reader")

    for _ in range(20):
        with turn:
            reader = threading.Thread(target=read)
            reader.start()
            while not turn._next.locked():  # until it waits
                time.sleep(0.001)
        with turn:
            order.append("training")
        reader.join()
    assert order == ["reader", "training"] * 20


def test_a_turn_may_be_taken_again_while_another_waits():
    turn, entered = Turn(), threading.Event()
    with turn:
        other = threading.Thread(target=lambda: turn.__enter__() and (entered.set(), turn.__exit__()))
        other.start()
        time.sleep(0.05)
        with turn:
            assert not entered.is_set()
    other.join(60)
    assert entered.is_set()


# What is said.


def epochs(*losses):
    return [Epoch(at, 9, at, train, val) for at, (train, val) in enumerate(losses, 1)]


def test_over_fitting_is_said_once_the_curves_show_it():
    falling = epochs((1.0, 1.0), (0.8, 0.9), (0.6, 0.85), (0.5, 0.8))
    assert advice(falling) == []
    said = advice(epochs((1.0, 1.0), (0.5, 0.8), (0.3, 0.9), (0.1, 1.1)))
    assert said[0].startswith(
        "It over-fits since epoch 2: the training loss has fallen from 0.5 to 0.1, the validation loss has risen from "
        "0.8 to 1.1."
    )
    one_bad_epoch = epochs((1.0, 1.0), (0.5, 0.8), (0.3, 0.9))
    assert advice(one_bad_epoch) == []


def test_a_loss_that_does_not_fall_is_said():
    assert advice(epochs((2.3, 2.3), (2.31, 2.3), (2.3, 2.3)))[0].startswith("The training loss hardly falls: 2.3")


def test_counts_are_those_of_scikit_learn():
    from sklearn import metrics

    torch.manual_seed(1)
    x, y = torch.randn(60, 4), torch.randint(0, 3, (60,))
    model = nn.Linear(4, 3)
    found = evaluate(model, DataLoader(TensorDataset(x, y), batch_size=7))
    said = model(x).argmax(1)
    assert found.confusion.tolist() == metrics.confusion_matrix(y, said).tolist()
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(y, said, average="macro", zero_division=0)
    assert list(found.metrics.values()) == pytest.approx([float((said == y).float().mean()), precision, recall, f1])
