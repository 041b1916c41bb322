"""What the panel makes of a recording without a DOM: filters, overlays, colours, expressions; all in one blank page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from notebookviz.capture import capture
from notebookviz.graph.encode import encode
from notebookviz.graph.fold import fold
from notebookviz.modules import Modules
from notebookviz.viewer import packer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser

    Ask = Callable[..., Any]

pytestmark = pytest.mark.browser

ENTRY = """
import { codeOf } from './code.js';
import { Find } from './find.js';
import { overlay } from './overlay.js';
import { ink, luminance, ramp, wordColour } from './palette.js';
import { Recording } from './recording.js';
import { Tree } from './tree.js';
export default { codeOf, Find, overlay, ink, luminance, ramp, wordColour, Recording, Tree };
"""


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1, bias=False)
        self.act = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.act(self.conv(x)).clamp(0, 9)


class Net(nn.Module):
    """A frozen stem, three equal blocks (folded), two heads that share a weight, one module never called."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1).requires_grad_(requires_grad=False)
        self.blocks = nn.Sequential(*(Block() for _ in range(3)))
        self.heads = nn.ModuleDict({"a": nn.Linear(8, 4, bias=False), "b": nn.Linear(8, 4, bias=False)})
        self.heads["b"].weight = self.heads["a"].weight
        self.odd = nn.Sequential(nn.Linear(4, 4).half())
        self.frozen = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.stem(x)).mean((2, 3))
        return self.odd((self.heads["a"](x) + self.heads["b"](x)).half())


@pytest.fixture(scope="module")
def net() -> dict[str, Any]:
    model = Net()
    recording = fold(capture(model, (torch.zeros(1, 3, 6, 6),)))
    return encode(recording, Modules(model).expressions(node.path for node in recording.nodes))


@pytest.fixture(scope="module")
def ask(browser: Browser, net: dict[str, Any]) -> Iterator[Ask]:
    """Runs JavaScript with our modules as `nbv` and the recording as `net`."""
    page = browser.new_page()
    source = packer.join_es_modules("entry", lambda name: ENTRY if name == "entry" else packer.own_text(name))
    page.evaluate(
        """async ([source, data]) => {
            window.nbv = (await import(`data:text/javascript,${encodeURIComponent(source)}`)).default;
            window.net = new nbv.Recording(data);
            window.called = (id) => {
                const { kind, path, type } = net.nodes[id];
                return { module: path, fold: 'fold', operator: `${path}:${type}` }[kind];
            };
        }""",
        [source, net],
    )
    yield lambda script, argument=None: page.evaluate(script, argument)
    page.close()


# Filters.


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("conv", ["stem", "blocks.0.conv", "blocks.1.conv", "blocks.2.conv"]),
        ("F.conv2d", ["stem", "blocks.0.conv", "blocks.1.conv", "blocks.2.conv"]),
        ("op:relu", ["blocks.0.act", "blocks.1.act", "blocks.2.act"]),
        ("blocks.1", ["blocks.1", "blocks.1.conv", "blocks.1.act"]),
        ("type:LINEAR", ["heads.a", "heads.b", "odd.0", "frozen"]),
        ("dtype:float16 type:linear", ["odd.0"]),
        ("1x4", ["heads.a", "heads.b", ":+", ":half", "odd", "odd.0"]),
        ("1×4 -op:linear", [":+", ":half", "odd"]),
        ("shape:6 name:stem", ["stem"]),
        ("shape:8×6×6 type:conv", ["stem", "blocks.0.conv", "blocks.1.conv", "blocks.2.conv"]),
        ("shape:8×6×3", []),
        ("frozen", ["stem"]),
        ('"frozen"', ["frozen"]),
        ("uncalled", ["frozen"]),
        ("trainable params >= 100", ["blocks"]),
        ("params=64", ["blocks.0", "blocks.0.conv", "blocks.1", "blocks.1.conv", "blocks.2", "blocks.2.conv"]),
        ("macs>6k type:conv", ["stem"]),
        ("memory>1.1KB name:stem", ["stem"]),
        ("memory>1.2KB name:stem", []),
        ("params>0.1B", []),
        ("<b>", []),
    ],
)
def test_filters_find_what_they_say(ask: Ask, query: str, hits: list[str]) -> None:
    assert ask("query => new nbv.Find(net).search(query).map(called)", query) == hits


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("params>many", "“many” is no number. Write it like params>1M."),
        ("width>3", "There is no number “width” to compare; there are params, trainable, macs, memory."),
        ("kind:conv", "There is no filter “kind:”; there are name: path: type: op: shape: dtype: device:. Put"),
        ("shape:wide", "“wide” is no shape. Write it like shape:64×112×112."),
        ("constructor>1", "There is no number “constructor”"),
        ("__proto__:x", ""),
    ],
)
def test_a_wrong_filter_is_explained(ask: Ask, query: str, sentence: str) -> None:
    found = ask(
        "query => { const find = new nbv.Find(net); find.search(query); return [find.error, find.label]; }", query
    )
    assert found[0].startswith(sentence)
    assert found[1] == ("" if sentence else "none")


def test_next_and_previous_go_round(ask: Ask) -> None:
    labels = ask(
        """() => { const find = new nbv.Find(net); find.search('type:conv2d');
        return [find.label, ...[1, 1, -1, -1, -1].map((step) => { find.move(step); return find.label; })]; }"""
    )
    assert labels == ["4 found", "1/4", "2/4", "1/4", "4/4", "3/4"]


def test_the_tables_filter_keeps_what_encloses_a_match(ask: Ask) -> None:
    script = """query => { const tree = new nbv.Tree(net); const { wanted, error } = tree.matching(query);
        return [wanted && tree.lines(new Set([0]), null, wanted).map(({ id }) => called(id)), error]; }"""
    assert ask(script, "blocks.2.conv") == [["", "blocks", "fold", "blocks.2", "blocks.2.conv"], ""]
    assert ask(script, "  ") == [None, ""]
    assert ask(script, "x:1")[1].startswith("There is no filter “x:”")


# Overlays.

VALUES = """([wanted, theme]) => {
    const made = nbv.overlay(net, wanted, theme ?? 'light');
    const text = {};
    for (const id of net.nodes.keys()) {
        if (made.mark(id)) text[called(id)] = made.mark(id).text;
    }
    return { text, log: made.log, legend: made.legend, odd: made.odd };
}"""


def given(values: dict[str, Any], kind: str = "numbers", **more: str) -> dict[str, Any]:
    return {"name": "mine", "kind": kind, "unit": "", "combine": "max", "values": values, **more}


def test_parameters_add_up_and_shared_ones_count_once(ask: Ask, net: dict[str, Any]) -> None:
    found = ask(VALUES, ["params"])["text"]
    assert (found["blocks"], found["fold"], found["blocks.0"]) == ("192", "192", "64")
    assert (found["heads.a"], found["heads.b"]) == ("32", "32")
    assert found[""] == str(net["totals"]["params"]) == str(224 + 192 + 32 + 20 + 6)
    assert ask(VALUES, ["macs"])["text"]["fold"] == ask(VALUES, ["macs"])["text"]["blocks"]


def test_words_of_what_is_inside(ask: Ask) -> None:
    found = ask(VALUES, ["trainable"])["text"]
    assert (found["stem"], found["blocks"], found["fold"], found[""]) == ("frozen", "trainable", "trainable", "mixed")
    assert "blocks.0.act" not in found
    dtype = ask(VALUES, ["dtype"])
    assert (dtype["text"]["odd"], dtype["text"][""], dtype["text"]["blocks.0.act"]) == ("float16", "mixed", "float32")
    assert [entry["word"] for entry in dtype["legend"]["entries"]] == ["float32", "float16"]


def test_a_closed_module_shows_what_was_given_inside(ask: Ask) -> None:
    values = {"blocks.0": 1, "blocks.1.conv": 5, "blocks.2.conv.weight": 3, "stem.weight": 7, "stem.bias": 2}
    found = ask(VALUES, [given(values)])["text"]
    assert (found["blocks"], found["fold"], found["stem"], found[""]) == ("5", "5", "7", "7")
    assert "heads.a" not in found
    assert ask(VALUES, [given(values, combine="sum")])["text"]["blocks"] == "9"
    assert ask(VALUES, [given(values, combine="mean")])["text"]["blocks"] == "3"
    assert ask(VALUES, [given(values, combine="min")])["text"]["stem"] == "2"
    both = {"blocks": 4, "blocks.0": 100, "stem": 1}
    nearest = ask(VALUES, [given(both, combine="sum")])["text"]
    assert (nearest["blocks"], nearest["blocks.0"], nearest[""], nearest["fold"]) == ("4", "100", "5", "100")
    shared = ask(VALUES, [given({"heads.a.weight": 6}, combine="sum")])["text"]
    assert (shared["heads.a"], shared["heads.b"], shared[""]) == ("6", "6", "6")
    words = ask(VALUES, [given({"blocks.0": "ann", "blocks.1": "bob", "stem": "ann"}, kind="words")])["text"]
    assert (words["blocks"], words["stem"], words["fold"]) == ("mixed", "ann", "mixed")


def test_what_was_given_for_a_module_that_is_gone_counts_no_more(ask: Ask) -> None:
    values = {"stem.inner": 9, "stem": 1, "odd.0.lost.weight": 9, "heads": 2, "blocks.0@1": 3, "blocks.0@2": 9}
    found = ask(VALUES, [given(values)])["text"]
    assert found == {"": "3", "stem": "1", "blocks": "3", "blocks.0": "3", "fold": "3"}


def test_scales(ask: Ask) -> None:
    log = ask(VALUES, [given({"stem": 1e-5, "blocks": 2, "odd": 0})])
    assert (log["log"], log["legend"]["low"], log["legend"]["high"]) == (True, "≤ 1.00e-5", "2")
    signed = ask(VALUES, [given({"stem": -500, "blocks": 20000}, unit="ms")])
    assert (signed["log"], signed["legend"]["low"], signed["legend"]["high"]) == (False, "−500 ms", "20 k ms")
    assert ask(VALUES, [given({"stem": 3, "blocks": 3})])["legend"]["same"] is True
    deep = ask(VALUES, [given({"stem": 1e-9, "blocks": 1})])["legend"]
    assert (deep["low"], deep["high"]) == ("1.00e-9", "1")
    outlier = ask(
        """() => { const { nodes } = net; const before = nodes[3].bytes; nodes[3].bytes = 1e9;
        const { legend } = nbv.overlay(net, 'memory', 'light'); nodes[3].bytes = before; return legend; }"""
    )
    assert (outlier["low"], outlier["high"]) == ("≤ 100 kB", "1 GB")
    assert ask(VALUES, [given({})])["text"] == {}
    assert ask(VALUES, [given({"": 3})])["text"] == {"": "3"}


def test_numbers_that_are_none_stand_out_and_leave_the_scale_alone(ask: Ask) -> None:
    found = ask(VALUES, [given({"stem": "NaN", "blocks.0": "Infinity", "blocks.1": 2, "odd": 1})])
    assert (found["text"]["stem"], found["text"]["blocks.0"], found["text"]["fold"]) == ("NaN", "∞", "∞")
    assert found["text"][""] == "NaN"
    assert (found["legend"]["low"], found["legend"]["high"]) == ("1", "2")
    assert found["odd"] == 4
    assert ask(
        "given => nbv.overlay(net, given, 'light').mark(net.nodes.findIndex(({ path }) => path === 'stem')).odd",
        given({"stem": "NaN"}),
    )


def test_more_words_than_colours(ask: Ask) -> None:
    paths = ["stem", "blocks.0", "blocks.1", "blocks.2", "heads.a", "heads.b", "odd", "odd.0", "frozen"]
    legend = ask(VALUES, [given({path: f"w{at}" for at, path in enumerate(paths)}, kind="words")])["legend"]
    assert (len(legend["entries"]), legend["others"]) == (8, 2)
    assert len({entry["fill"] for entry in legend["entries"]}) == 8


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_more_is_further_from_the_background_and_text_can_be_read(ask: Ask, theme: str) -> None:
    found = ask(
        """theme => [
            ...[...Array(101).keys()].map((step) => nbv.ramp(step / 100, theme)),
            ...[...Array(9).keys()].map(nbv.wordColour)
        ].map((fill) => [nbv.luminance(fill), nbv.luminance(nbv.ink(fill))])""",
        theme,
    )
    assert all((max(pair) + 0.05) / (min(pair) + 0.05) >= 4.5 for pair in found)
    steps = [fill for fill, _ in found[:101]]
    assert steps == sorted(steps, reverse=theme == "light")
    assert (max(steps) + 0.05) / (min(steps) + 0.05) > 8


# From node to code.


def test_expression_line_and_repr(ask: Ask) -> None:
    script = "([name, variable]) => nbv.codeOf(net, net.nodes.findIndex((_, id) => called(id) === name), variable)"
    conv = ask(script, ["blocks.1.conv", "net"])
    assert conv["expression"] == "net.blocks[1].conv"
    line = Block.forward.__code__.co_firstlineno + 1
    assert conv["place"] == f"…/viewer/test_values.py, line {line}, in forward"
    assert conv["file"] == f"{__file__}:{line}"
    assert conv["code"] == "return x + self.act(self.conv(x)).clamp(0, 9)"
    assert conv["repr"].startswith("Conv2d(8, 8, kernel_size=(1, 1)")
    assert ask(script, ["heads.a", ""])["expression"] == "model.heads['a']"
    operator = ask(script, ["blocks.1:clamp", ""])
    assert (operator["expression"], operator["own"]) == ("model.blocks[1]", False)
    assert ask(script, ["", ""])["expression"] == "model"
    folded = ask("() => nbv.codeOf(net, net.nodes.findIndex(({ kind }) => kind === 'fold'), '').expression")
    assert folded == "model.blocks"
