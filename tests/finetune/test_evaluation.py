"""evaluate() against scikit-learn for each kind of labels, its mistakes, and that the model stays as it is."""

from __future__ import annotations

import pytest
import torch
from sklearn import metrics
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from notebookviz import InputError, evaluate, fine_tune
from notebookviz.finetune.tensorboard import TensorBoardLog


def seeded(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def model(outputs):
    torch.manual_seed(1)
    return nn.Linear(4, outputs)


def over(*tensors):
    return DataLoader(TensorDataset(*tensors), batch_size=7)


def test_each_class_is_measured():
    x, y = seeded(60, 4), torch.arange(60) % 3
    net = model(3)
    found = evaluate(net, over(x, y), labels=["a", "b", "c"])
    said = net(x).argmax(1)
    precision, recall, f1, count = metrics.precision_recall_fscore_support(y, said, zero_division=0)
    assert [each.label for each in found.classes] == ["a", "b", "c"]
    assert [each.count for each in found.classes] == count.tolist() == [20, 20, 20]
    for name, wanted in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert [getattr(each, name) for each in found.classes] == pytest.approx(wanted.tolist(), abs=1e-6)
        assert found.report[name].tolist() == pytest.approx(wanted.tolist(), abs=1e-6)
    assert str(found).startswith(f"60 samples: accuracy {float((said == y).float().mean()):.4g}, precision ")


def test_the_worst_mistakes_come_first():
    x, y = seeded(60, 4), torch.arange(60) % 3
    net = model(3)
    found = evaluate(net, over(x, y), worst=5).mistakes
    scores = net(x).detach()
    losses = nn.functional.cross_entropy(scores, y, reduction="none")
    losses[scores.argmax(1) == y] = -1
    assert [each.index for each in found] == losses.argsort(descending=True)[:5].tolist()
    first = found[0]
    assert torch.equal(first.input, x[first.index])
    assert (first.label, first.predicted) == (str(int(y[first.index])), str(int(scores[first.index].argmax())))
    assert first.probability == pytest.approx(float(scores[first.index].softmax(0).max()))
    assert evaluate(net, over(x, y), worst=0).mistakes == ()


def test_several_labels():
    x = seeded(40, 4)
    y = (x[:, :3] > 0).float()
    net = model(3)
    found = evaluate(net, over(x, y))
    said = (net(x) > 0).float()
    assert found.task == "multi-label"
    assert found.confusion is None
    assert found.metrics["accuracy"] == pytest.approx(float((said == y).float().mean()))
    assert found.metrics["f1"] == pytest.approx(metrics.f1_score(y, said, average="macro", zero_division=0), abs=1e-6)
    worst = found.mistakes[0]
    assert worst.label == (", ".join(str(at) for at in range(3) if y[worst.index, at]) or "none")


def test_numbers():
    x = seeded(40, 4)
    y = x.sum(1)
    net = model(1)
    found = evaluate(net, over(x, y))
    said = net(x).detach().reshape(-1)
    assert found.metrics["mae"] == pytest.approx(metrics.mean_absolute_error(y, said), rel=1e-5)
    assert found.metrics["r2"] == pytest.approx(metrics.r2_score(y, said), rel=1e-4)
    assert found.mistakes[0].index == int(((said - y) ** 2).argmax())


def test_pixels_that_are_left_out_do_not_count():
    scores = torch.zeros(1, 2, 1, 4)
    scores[:, 1] = 1
    targets = torch.tensor([[[1, 0, -100, 1]]])
    found = evaluate(nn.Identity(), [(scores, targets)])
    assert (found.samples, found.confusion.tolist()) == (3, [[0, 1], [0, 2]])


def test_the_model_stays_as_it_is():
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Dropout())
    net[1].eval()
    before, state = {key: value.clone() for key, value in net.state_dict().items()}, torch.get_rng_state()
    evaluate(net, DataLoader(TensorDataset(seeded(20, 4), torch.arange(20) % 3), batch_size=5, shuffle=True))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert [module.training for module in net] == [True, False, True]


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match=r"The labels \(7, 2\) don't fit the scores \(7, 3\)\. Pass task="):
        evaluate(model(3), over(seeded(14, 4), seeded(14, 2)))


def test_tensorboard_reads_what_was_told(tmp_path):
    from tensorboard.backend.event_processing import event_accumulator as accumulator

    data = DataLoader(TensorDataset(seeded(32, 4), torch.arange(32) % 3), batch_size=8)
    training = fine_tune(model(3), data, data, epochs=2, clip=1.0, callbacks=[TensorBoardLog(tmp_path)], verbose=False)
    read = accumulator.EventAccumulator(str(tmp_path))
    read.Reload()
    told = [event.value for event in read.Scalars("loss/train")]
    assert told == pytest.approx([epoch.train_loss for epoch in training.epochs], rel=1e-5)
    assert {"loss/val", "accuracy/val", "step/loss", "step/lr", "step/gradient norm"} <= set(read.Tags()["scalars"])
    assert len(read.Scalars("step/loss")) == training.steps == 8


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int32, torch.bool])
def test_whole_numbers_of_any_size_are_classes(kind):
    x, y = seeded(60, 4), torch.arange(60) % 2
    found, wanted = (evaluate(model(3), over(x, labels), worst=2) for labels in (y.to(kind), y))
    assert str(found) == str(wanted)
    assert [each.label for each in found.mistakes] == [each.label for each in wanted.mistakes]


class Nested(nn.Module):
    """Takes its input out of dictionaries."""

    def __init__(self):
        super().__init__()
        self.inner = model(2)

    def forward(self, given):
        return self.inner(given["views"]["front"])


def test_a_mistake_holds_its_input_however_it_is_nested():
    x, y = seeded(20, 4), torch.arange(20) % 2
    data = [({"names": ["a"] * 10, "views": {"front": x[at : at + 10]}}, y[at : at + 10]) for at in (0, 10)]
    found = evaluate(Nested(), data)
    assert found.samples == 20
    assert found.mistakes
    assert all(torch.equal(each.input, x[each.index]) for each in found.mistakes)


def test_scores_that_are_no_numbers_are_not_measured():
    x = seeded(14, 4)
    x[9] = float("nan")
    with pytest.raises(InputError, match=r"^The model's scores of batch 2 hold NaN\. Look for NaN in "):
        evaluate(model(2), over(x, torch.arange(14) % 2))
