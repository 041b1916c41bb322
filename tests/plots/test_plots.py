"""The numbers that are drawn, the ink, and what is refused; the pictures themselves were looked at."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
import torch
from torch import nn

from notebookviz import InputError, plots
from notebookviz.finetune.evaluation import Evaluation, Mistake
from notebookviz.finetune.trying import LearningRates
from notebookviz.plots.figure import INK


def history():
    columns = {
        "train_loss": [2.0, 1.0],
        "val_loss": [2.1, 1.5],
        "train_f1": [0.5, 0.6],
        "val_f1": [0.4, 0.5],
        "lr": [1, 0],
    }
    return pd.DataFrame(columns, index=pd.Index([1, 2], name="epoch"))


def drawn(axis):
    return {line.get_label(): line.get_ydata().tolist() for line in axis.lines}


def test_curves_show_the_history():
    loss, f1, rate = plots.curves(history()).axes
    assert drawn(loss) == {"training": [2.0, 1.0], "validation": [2.1, 1.5]}
    assert drawn(f1) == {"training": [0.5, 0.6], "validation": [0.4, 0.5]}
    assert [line.get_ydata().tolist() for line in rate.lines] == [[1, 0]]
    assert [axis.get_title(loc="left") for axis in (loss, f1, rate)] == ["loss", "F1", "learning rate"]
    styles = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in loss.lines}
    assert len({style[1] for style in styles}) == len({style[2] for style in styles}) == 2  # colour is never alone


def test_the_ink_is_the_pages():
    html = plots.curves(history())._repr_html_()
    assert "currentColor" in html
    assert INK not in html
    assert html.startswith('<svg role="img" aria-label="Curves over 2 epochs: loss, f1, learning rate"')
    assert plots.curves(history())._repr_png_().startswith(b"\x89PNG")


def test_labels_are_text_and_never_markup():
    evil = "<img src=x onerror=alert(1)>$\\frac{"
    html = plots.confusion_matrix([[3, 1], [0, 4]], [evil, "b"])._repr_html_()
    assert "<img src" not in html


def test_the_matrix_holds_the_counts():
    figure = plots.confusion_matrix(torch.tensor([[3, 1], [0, 4]]), ["cat", "dog"])
    axis = figure.axes[0]
    assert sorted(text.get_text() for text in axis.texts) == ["1", "3", "4"]
    assert axis.collections[0].get_array().reshape(-1).tolist() == [0.75, 0.25, 0.0, 1.0]
    assert axis.get_title(loc="left") == "87.5% right"
    assert [label.get_text() for label in axis.get_yticklabels()] == ["cat", "dog"]


def test_mistakes_are_pictures():
    image = torch.arange(12.0).reshape(3, 2, 2)
    found = Evaluation("single-label", 9, {}, mistakes=(Mistake(4, image, "cat", "dog", 0.9),))
    axis = plots.mistakes(found).axes[0]
    assert axis.images[0].get_array().shape == (2, 2, 3)
    assert float(axis.images[0].get_array().max()) == 1.0
    assert axis.get_title() == "cat is said\nto be dog\n90% sure"
    flat = Evaluation("single-label", 9, {}, mistakes=(Mistake(4, image.flatten(), "cat", "dog", 0.9),))
    with pytest.raises(InputError, match=r"The inputs have the shape \(12,\); images \(1 or 3 channels"):
        plots.mistakes(flat)
    with pytest.raises(InputError, match=r"There is no mistake to show\."):
        plots.mistakes(Evaluation("single-label", 9, {}))


def test_histograms_count_each_value():
    model = nn.Linear(4, 25)
    with torch.no_grad():
        model.weight[0, 0] = float("nan")
    model.bias.requires_grad_(False)
    weight, bias = plots.histograms(model).axes
    assert sum(patch.get_height() for patch in weight.patches) == 99
    assert bias.get_title(loc="left") == "bias (frozen)"
    assert len(plots.histograms(nn.Sequential(model, nn.Linear(25, 1)), "1.*").axes) == 2
    with pytest.raises(InputError, match=r"0 of 2 parameters match; 1 to 24 are shown at once\."):
        plots.histograms(model, "conv")
    with pytest.raises(InputError, match=r"'weight' has no values: it is on the meta device\."):
        plots.histograms(nn.Linear(2, 2, device="meta"))


def test_learning_rates_show_the_losses_and_the_suggestion():
    found = LearningRates((1e-3, 1e-2, 1e-1), (2.0, 1.0, 9.0), (2.0, 1.5, 1.7), 1e-2)
    figure = plots.learning_rates(found)
    (axis,) = figure.axes
    assert (axis.get_xscale(), axis.get_xlabel(), axis.get_ylabel()) == ("log", "learning rate", "loss")
    assert axis.lines[1].get_ydata().tolist() == [2.0, 1.5, 1.7]
    assert axis.lines[2].get_xdata() == [1e-2, 1e-2]
    figure.canvas.draw()
    low, high = axis.get_ylim()
    assert low < 1.0  # all that falls is seen, and what rises after it is cut
    assert 2.0 < high < 9.0
    noisy = LearningRates((1e-3, 1e-2, 1e-1), (0.4, 0.9, 0.8), (0.4, 0.6, 0.3), None)
    assert plots.learning_rates(noisy).axes[0].get_ylim()[1] > 0.9
    assert {"0.001", "0.01", "0.1"} <= {tick.get_text() for tick in axis.get_xticklabels()}
    assert figure._repr_html_().startswith(
        '<svg role="img" aria-label="Loss over 3 learning rates, suggestion 1.0e-02"'
    )
    with pytest.raises(InputError, match=r"learning_rates\(\) got float; what find_learning_rate found is wanted\."):
        plots.learning_rates(0.1)


def test_filters_are_what_the_layer_holds():
    grey = nn.Conv2d(2, 3, 5)
    axes = plots.filters(grey).axes
    assert len(axes) == 3
    assert torch.allclose(torch.tensor(axes[1].images[0].get_array()), grey.weight[1].mean(0))
    assert plots.filters(nn.Conv2d(3, 40, 3), 8).axes[7].images[0].get_array().shape == (3, 3, 3)
    with pytest.raises(InputError, match=r"filters\(\) got Linear; a convolution of images \(Conv2d\) is wanted\."):
        plots.filters(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (pd.DataFrame(), r"curves\(\) got DataFrame without epochs\. Pass what fine_tune returned, or its \.history\."),
        ([1.0, 2.0], r"curves\(\) got list without epochs\."),
    ],
)
def test_what_is_no_history_is_refused(given, sentence):
    with pytest.raises(InputError, match=sentence):
        plots.curves(given)


def test_what_is_no_matrix_is_refused():
    with pytest.raises(InputError, match=r"confusion_matrix\(\) got an evaluation of a regression task; a square"):
        plots.confusion_matrix(Evaluation("regression", 3, {}))
    with pytest.raises(InputError, match=r"confusion_matrix\(\) got \(3,\); a square matrix of counts is wanted\."):
        plots.confusion_matrix([1, 2, 3])


def test_what_is_missing_is_named_with_the_command():
    code = "import sys; sys.modules['seaborn'] = None\nfrom notebookviz import plots"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    wanted = "This needs seaborn, which is not installed. Run: pip install 'notebookviz[plots]'"
    assert found.stderr.strip().endswith(wanted)


@pytest.mark.parametrize("label", ["\0", "\ud800", "\x1b[0m", "a\nb", "<script>", "$x^", "long " * 999, 7])
def test_any_name_of_a_class_is_shown(label):
    plot = plots.confusion_matrix([[3, 1], [1, 2]], [label, "b"])
    assert len(plot._repr_html_()) < 200_000
    assert plot._repr_png_()


def test_a_parameter_of_any_name_is_shown():
    model = nn.Module()
    model._parameters["$a\n\0\ud800" + "x" * 300] = nn.Parameter(torch.randn(9))
    assert "<svg" in plots.histograms(model)._repr_html_()


def test_a_range_test_without_numbers_says_so():
    nan = float("nan")
    with pytest.raises(InputError, match="No loss"):
        plots.learning_rates(LearningRates((1e-3,), (nan,), (nan,), None))
    assert plots.learning_rates(LearningRates((1e-3, 1e-2), (nan, 1.0), (nan, 1.0), None))._repr_png_()


@pytest.mark.parametrize("shape", [(0, 3, 3, 3), (2, 0, 3, 3)])
def test_no_filters_are_refused(shape):
    layer = nn.Module()
    layer.weight = nn.Parameter(torch.zeros(shape))
    with pytest.raises(InputError, match="a convolution"):
        plots.filters(layer)
    with pytest.raises(InputError, match="square"):
        plots.confusion_matrix(torch.zeros(0, 0))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([["a", "b"], ["c", "d"]], "list"),
        ([[1.0, float("nan")], [2.0, 3.0]], r"numbers that are no counts \(negative, NaN or infinite\)"),
        ([[1, -2], [2, 3]], "numbers that are no counts"),
    ],
)
def test_a_matrix_of_something_else_is_refused(given, said):
    with pytest.raises(InputError, match=rf"confusion_matrix\(\) got {said}.*; a square matrix of counts is wanted\."):
        plots.confusion_matrix(given)


def test_a_crosstab_is_a_matrix_of_counts():
    found = plots.confusion_matrix(pd.crosstab(pd.Series([0, 0, 1]), pd.Series([0, 1, 1])))
    assert "2 of 3 right" in repr(found)


def test_columns_of_any_name_are_no_error():
    odd = history()
    odd[7] = [1, 2]
    odd["no_part"] = ["a", "b"]
    assert (
        repr(plots.curves(pd.concat([odd, odd[["lr"]]], axis=1))) == "<Curves over 2 epochs: loss, f1, learning rate>"
    )
    with pytest.raises(InputError, match=r"curves\(\) got int without epochs\."):
        plots.curves(3)


def test_sparse_weights_are_refused():
    layer = nn.Module()
    layer.weight = nn.Parameter(torch.zeros(2, 3, 3, 3).to_sparse())
    for draw in (plots.filters, plots.histograms):
        with pytest.raises(InputError, match=r"'weight' is sparse; only dense values are drawn\."):
            draw(layer)


def test_pictures_without_a_pixel_are_refused():
    wrong = Evaluation("single-label", 1, {}, mistakes=(Mistake(0, torch.zeros(3, 0, 4), "a", "b", 0.5),))
    with pytest.raises(InputError, match=r"The inputs have the shape \(3, 0, 4\)"):
        plots.mistakes(wrong)


def test_what_is_no_model_and_no_evaluation_is_refused():
    with pytest.raises(InputError, match=r"histograms\(\) got str; a model is wanted\. For example"):
        plots.histograms("resnet18")
    with pytest.raises(InputError, match=r"ReLU has no parameters\. Pass the model, or a layer that learns\."):
        plots.histograms(nn.ReLU())
    with pytest.raises(InputError, match=r"mistakes\(\) got int; what evaluate found is wanted\. Pass what evaluate"):
        plots.mistakes(3)
