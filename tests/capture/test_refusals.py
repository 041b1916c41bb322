"""What is refused, in which words; what fails and is still drawn."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from notebookviz.capture import capture, runner, trace
from notebookviz.errors import InputError

LINEAR = nn.Linear(4, 2)
ROW = torch.zeros(1, 4)

NUMBERS = "Input 0 is a list of numbers; a torch.Tensor is wanted. Pass torch.tensor(x), or a shape as input_size=."


def deep(levels):
    model = nn.Linear(4, 4)
    for _ in range(levels):
        model = nn.Sequential(model)
    return model


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (None, "Expected a torch.nn.Module, got None. Pass the model itself: show(model)."),
        (
            nn.Linear,
            "Expected a torch.nn.Module, got the class Linear. Make an object of it first: show(Linear(...)).",
        ),
        (
            torch.nn.functional.relu,
            "Expected a torch.nn.Module, got the function relu. Call it and pass what it returns: show(relu()).",
        ),
        (lambda x: x, "Expected a torch.nn.Module, got the function <lambda>. Write it as an nn.Module."),
        (
            "model.onnx",
            (
                "Expected a torch.nn.Module, got the string 'model.onnx'. "
                "For a file use the magic: %netron path/to/model.onnx."
            ),
        ),
        (3, "Expected a torch.nn.Module, got an int. Pass the model itself: show(model)."),
        (ROW, "Expected a torch.nn.Module, got a tensor. Pass the model first, then its inputs: show(model, x)."),
        (
            LINEAR.state_dict(),
            (
                "Expected a torch.nn.Module, got a state dict of 2 tensors. "
                "Load it into its model and pass that: model.load_state_dict(...)."
            ),
        ),
    ],
)
def test_what_is_not_a_model(model, text):
    with pytest.raises(InputError) as caught:
        capture(model)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("model", "given", "text"),
    [
        (
            LINEAR,
            (np.zeros((1, 4)),),
            "Input 0 is a numpy ndarray; a torch.Tensor is wanted. Pass torch.from_numpy(x).",
        ),
        (LINEAR, ("abc",), "Got 'abc' as input; a torch.Tensor is wanted. Pass show(model, x)."),
        (LINEAR, (1, 2), "Got the numbers 1, 2 as inputs. Did you mean input_size=(1, 2)?"),
        (
            LINEAR,
            ([1.0, 2.0],),
            NUMBERS,
        ),
        (
            LINEAR,
            ([[1, 2]],),
            NUMBERS,
        ),
        (LINEAR, ((1, 4),), "Got the tuple (1, 4) as input. Did you mean input_size=(1, 4)?"),
    ],
)
def test_what_is_not_an_input(model, given, text):
    with pytest.raises(InputError) as caught:
        capture(model, given)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"input_size": "1,4"},
            "input_size= got '1,4'; it wants one shape or a list of shapes. Pass input_size=(1, 3, 224, 224).",
        ),
        ({"args": (ROW,), "input_size": (1, 4)}, "Got inputs and input_size=. Pass one of them."),
        (
            {"dtypes": torch.int64},
            "Got dtypes= without input_size=. Pass input_size=(1, 3, 224, 224) too, or the input.",
        ),
        (
            {"input_size": (1, 4), "dtypes": "int64"},
            "dtypes= got 'int64'; it wants a torch.dtype. Pass dtypes=torch.int64.",
        ),
        (
            {"input_size": [(1, 4)], "dtypes": [torch.int64] * 2},
            "Got 1 shapes in input_size= and 2 dtypes. Pass one dtype for each shape.",
        ),
        ({"mode": "test"}, 'mode= got \'test\'. Pass mode="eval" or mode="train".'),
    ],
)
def test_options_that_make_no_sense(options, text):
    with pytest.raises(InputError) as caught:
        capture(LINEAR, **options)
    assert str(caught.value) == text


def test_five_thousand_nested_modules_are_refused_at_once():
    model = deep(5000)
    began = time.perf_counter()
    with pytest.raises(InputError) as caught:
        capture(model)
    assert str(caught.value) == (
        "Sequential nests 5,000 modules inside each other; at most 300 can be run and drawn. "
        "Show one of its inner modules, or put the modules side by side in one Sequential."
    )
    assert time.perf_counter() - began < 30
    while len(model):  # a recursive deallocation of 5,000 levels is the interpreter's business, not ours
        model = model[0]
        if not isinstance(model, nn.Sequential):
            break


def test_as_deep_as_pytorch_itself_goes():
    assert capture(deep(200), (ROW,)).failure is None


def test_a_shape_bug_shows_the_graph_up_to_it():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(5, 2))
    recording = capture(model, (ROW,))
    failed = recording.nodes[recording.failure.node]
    assert (failed.type, failed.path, failed.marks) == ("F.linear", "2", {"failed"})
    layer = recording.nodes[failed.parent]
    assert (layer.path, layer.marks, layer.message) == ("2", {"failed"}, recording.failure.message)
    assert [node.path for node in recording.nodes if "unfinished" in node.marks] == [""]
    assert recording.failure.message == "addmm: mat1 and mat2 shapes cannot be multiplied (1x4 and 5x2)"
    assert recording.failure.hint == (
        "Linear 2 takes 5 features and got 4: set in_features=4 there, or make the layer before it return 5."
    )
    assert failed.message == recording.failure.message
    assert [recording.values[item].type.shape for item in failed.inputs[0].values] == [(1, 4)]


def test_wrong_channels_say_which_layer():
    recording = capture(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(5, 2, 3)), (torch.zeros(1, 3, 8, 8),))
    assert recording.failure.hint == (
        "Conv2d 1 takes 5 channels and got 4: set in_channels=4 there, or make the layer before it return 5."
    )


class Odd(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.act = act

    def forward(self, x):
        x = self.linear(x)
        return self.act(x)


def raises(_x):
    raise ValueError("<b>no</b>")


def ends(_x):
    sys.exit(3)


def spins(_x):
    while True:
        pass


def computes(x):
    while True:
        x = x + 1


def sleeps(x):
    time.sleep(60)
    return x


def catches_and_spins(x):
    while True:
        with contextlib.suppress(Exception):
            x = x + 1


@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        (raises, "ValueError", "<b>no</b>"),
        (ends, "SystemExit", "forward() ended the program (SystemExit: 3)."),
        (spins, "timeout", "The forward pass did not end within 0.5 seconds."),
        (computes, "timeout", "The forward pass did not end within 0.5 seconds."),
        (catches_and_spins, "timeout", "The forward pass did not end within 0.5 seconds."),
        (sleeps, "timeout", "The forward pass did not end within 0.5 seconds."),
    ],
)
def test_a_forward_that_never_returns_properly(act, kind, message, monkeypatch):
    reached = SimpleNamespace(at=None)  # no copy is made of it, as of a list

    def reach(x):
        reached.at = time.perf_counter()
        return act(x)

    def clock():
        """Stands still until the pass is where it does not end, however busy the machine is."""
        return 0.0 if reached.at is None else time.perf_counter() - reached.at

    monkeypatch.setattr(runner, "perf_counter", clock)
    monkeypatch.setattr(trace, "perf_counter", clock)
    recording = capture(Odd(reach), (ROW,), seconds_limit=0.5)
    assert clock() < 30
    assert (recording.failure.kind, recording.failure.message) == (kind, message)
    assert recording.nodes[1].path == "linear"
    assert recording.nodes[1].outputs
    assert not {"failed", "unfinished"}.isdisjoint(recording.root.marks)


def test_the_users_line_is_named():
    recording = capture(Odd(raises), (ROW,))
    assert recording.failure.source.function == "raises"
    assert recording.failure.source.code == 'raise ValueError("<b>no</b>")'
    assert recording.nodes[1].source.code == "x = self.linear(x)"


def test_an_interrupt_shows_the_graph_so_far():
    import _thread

    def interrupted(x):
        _thread.interrupt_main()
        spins(x)

    recording = capture(Odd(interrupted), (ROW,), seconds_limit=200)
    assert (recording.failure.kind, recording.failure.message) == ("interrupted", "The forward pass was interrupted.")
    assert recording.nodes[1].outputs


def test_an_interrupt_of_a_pass_that_just_begins_shows_the_graph_so_far(monkeypatch):
    start = runner._Worker.start
    reached = threading.Event()

    def reach(x):
        reached.set()
        spins(x)

    def interrupted(worker):
        start(worker)
        reached.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(runner._Worker, "start", interrupted)
    recording = capture(Odd(reach), (ROW,), seconds_limit=200)
    assert recording.failure.kind == "interrupted"
    assert recording.nodes[1].outputs


def test_errors_that_forward_catches_are_not_failures():
    class Tries(nn.Module):
        def forward(self, x):
            try:
                return x @ torch.zeros(7, 7)
            except RuntimeError:
                return x + 1

    recording = capture(Tries(), (ROW,))
    assert recording.failure is None
    assert [node.type for node in recording.nodes] == ["Tries", "torch.zeros", "+"]
    assert all("failed" not in node.marks for node in recording.nodes)


def test_prints_and_warnings_are_swallowed_ours_only(capsys):
    class Loud(nn.Module):
        def forward(self, x):
            print("LOUD")  # noqa: T201 (what is tested)
            sys.stderr.write("LOUD")
            return x

    recording = capture(Loud(), (ROW,))
    print("after")  # noqa: T201
    assert recording.failure is None
    assert capsys.readouterr() == ("after\n", "")


def test_passes_in_several_threads_leave_the_streams_as_they_were():
    streams = sys.stdout, sys.stderr
    found = []
    threads = [threading.Thread(target=lambda: found.append(capture(Odd(torch.relu), (ROW,)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [recording.failure for recording in found] == [None] * 6
    assert (sys.stdout, sys.stderr) == streams


def test_a_look_inside_a_look():
    seen = SimpleNamespace()

    def looks(x):
        seen.inner = capture(LINEAR)
        return x

    assert capture(Odd(looks), (ROW,)).failure is None
    assert seen.inner.root.type == "Linear"


def test_an_empty_sequential_is_an_identity():
    recording = capture(nn.Sequential())
    assert [(node.type, node.marks) for node in recording.nodes[1:]] == [("identity", {"passthrough"})]
    assert recording.inputs[0].values != recording.outputs[0].values


def test_a_module_list_is_a_tree():
    recording = capture(nn.ModuleList([nn.Linear(2, 2), nn.ReLU()]))
    assert recording.tensors == "none"
    assert [(node.path, node.marks) for node in recording.nodes] == [(path, {"uncalled"}) for path in ("", "0", "1")]
    assert recording.notes == ("ModuleList has no forward(): its modules are listed.",)


def test_where_nothing_can_be_inferred_the_note_says_what_to_pass():
    class Picky(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.ReLU()

        def forward(self, graph):
            return self.inner(graph.nodes)

    recording = capture(Picky())
    assert recording.tensors == "none"
    assert [node.path for node in recording.nodes] == ["", "inner"]
    assert recording.notes == (
        (
            "No input could be inferred (tried 1×3×224×224 float32: 'Tensor' object has no attribute 'nodes'). "
            "forward takes graph: show(model, graph) or input_size=(1, 3, 224, 224)."
        ),
    )


HOSTILE = ("<img src=x onerror=alert(1)>", "q\"'\n`", "a" * 10_000, "a" * 9_999 + "b", "\ud800")


def test_hostile_names_are_recorded_as_text_and_stay_distinct():
    kind = type(
        "<script>alert(1)</script>" + "x" * 10_000, (nn.Sequential,), {"__doc__": "<b onclick=x>" + "d" * 9_999}
    )
    model = kind()
    for name in HOSTILE:
        model.add_module(name, nn.Linear(4, 4))
    recording = capture(model)
    paths = [node.path for node in recording.nodes if node.kind == "module"]
    assert paths[1:3] == list(HOSTILE[:2])
    assert len(set(paths)) == len(HOSTILE) + 1
    assert all(len(path) <= 200 for path in paths)
    assert len(recording.root.type) <= 200
    assert len(recording.root.doc) <= 600
    for node in recording.nodes:
        for text in (node.path, node.type, node.repr, node.doc, node.qualified):
            text.encode("utf-8")
    for item in recording.initializers:
        item.name.encode("utf-8")


def test_a_loop_that_never_ends_is_cut_at_what_can_be_drawn(monkeypatch):
    monkeypatch.setattr("notebookviz.capture.trace.MOST_CALLS", 500)
    monkeypatch.setattr("notebookviz.capture.build.MOST_CALLS", 500)

    class Endless(nn.Module):
        def forward(self, x):
            while True:
                x = x + 1

    recording = capture(Endless(), (ROW,))
    assert recording.failure.kind == "limit"
    assert recording.failure.message == "The forward pass made more than 500 calls; those are shown."
    assert recording.failure.hint == "Look for a loop that does not end, or pass a smaller input."
    assert len(recording.nodes) == 500


def test_a_guessed_input_that_fails_is_said_to_be_a_guess():
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(100, 10))
    hint = capture(model).failure.hint
    assert hint.startswith("The input 1×3×224×224 float32 was only guessed: if it is wrong, pass your own. Linear 2")
    assert "guessed" not in capture(model, (torch.zeros(1, 3, 32, 32),)).failure.hint
