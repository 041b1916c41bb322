"""DOT and Mermaid: what is visible, whatever the names are."""

from __future__ import annotations

import random
import re

import pydot
import pytest

from notebookviz.graph.diagram import dot, mermaid
from notebookviz.graph.fold import fold
from notebookviz.graph.records import Argument, Node, Recording
from notebookviz.graph.visible import Box, Line, Visible, visible
from tests.graph import samples
from tests.graph.expected import drawn, openable

SAMPLES = {
    "residual": samples.residual(),
    "folded": fold(samples.residual(5)),
    "failed": samples.failed(),
    "stopped": samples.stopped(),
    "tree": samples.tree(),
    "hostile": samples.hostile(),
}
EVIL = [
    'say "hi"',
    "back\\slash\\",
    '\\"',
    "line\nbreak\r\n",
    '"]; evil -> evil; "',
    '<b onclick="x">bold</b> &lt;',
    "%%{init: {'theme':'dark'}}%%",
    "`markdown` **bold** 1. list",
    "end",
    "subgraph x [y]",
    "#35; #quot;",
    "\\N\\G\\l",
    "\x00\x1b[31m\u2028\ud800",
    "层1/é",
    "x" * 5000,
]


def clusters(graph, outer=""):
    for each in graph.get_subgraphs():
        yield each, outer
        yield from clusters(each, each.get_name().strip('"'))


def parsed(text):
    """Names of nodes, ends of edges and names of frames, as pydot reads them."""
    (graph,) = pydot.graph_from_dot_data(text)
    nodes, edges, frames = set(), set(), set()
    for each, _ in ((graph, ""), *clusters(graph)):
        nodes |= {item.get_name().strip('"') for item in each.get_nodes()} - {"node", "edge", "\\n"}
        edges |= {(item.get_source().strip('"'), item.get_destination().strip('"')) for item in each.get_edges()}
        if each is not graph:
            frames.add(each.get_name().strip('"').partition("-")[2])
    return nodes, edges, frames


@pytest.mark.parametrize("name", SAMPLES)
def test_it_is_what_the_page_draws(name):
    recording = SAMPLES[name]
    chance = random.Random(5)
    opened = {0}
    for _ in range(15):
        found = visible(recording, opened)
        ids = {int(box.id) for box in found.boxes if box.id.isdigit()}
        assert (ids, {(line.source, line.target) for line in found.lines}) == drawn(recording, opened)
        opened ^= {chance.choice(sorted(openable(recording) - {0} or {0}))}
        opened.add(0)


def test_frames_hold_what_stands_in_them():
    recording = SAMPLES["residual"]
    found = visible(recording, openable(recording))
    boxes = {box.id: box for box in found.boxes}
    opened = [box for box in found.boxes if box.opened]
    assert opened
    for box in found.boxes:
        if box.id.isdigit() and box.frame:
            assert boxes[box.frame].opened
            assert recording.nodes[int(box.id)].parent == int(box.frame)


def test_a_module_that_fills_the_canvas_has_inputs_and_outputs_of_its_own():
    recording = SAMPLES["residual"]
    root = next(node.index for node in recording.nodes if node.type == "Block")
    found = visible(recording, [0], root)
    inner = {str(node.index) for node in recording.nodes if node.parent == root}
    assert found.name == recording.nodes[root].path
    assert {box.id for box in found.boxes if box.kind not in {"input", "output"}} == inner
    sources, targets = {line.source for line in found.lines}, {line.target for line in found.lines}
    assert {box.id for box in found.boxes if box.kind == "input"} == sources - inner != set()
    assert {box.id for box in found.boxes if box.kind == "output"} == targets - inner != set()


@pytest.mark.parametrize("name", SAMPLES)
def test_graphviz_reads_boxes_frames_and_lines(name):
    found = visible(SAMPLES[name], openable(SAMPLES[name]))
    nodes, edges, frames = parsed(dot(found))
    assert nodes == {box.id for box in found.boxes if not box.opened}
    assert frames == {box.id for box in found.boxes if box.opened}
    assert edges == {(line.source, line.target) for line in found.lines}


def test_shapes_stand_on_the_lines_of_both():
    found = visible(samples.residual(), [0])
    line = next(line for line in found.lines if line.source == "input-0")
    (shape,) = line.shapes
    assert re.fullmatch(r"\d+(×\d+)+", shape)
    assert f'"input-0" -> "{line.target}" [label="{shape}"];' in dot(found)
    assert f'input_0 -->|"{shape}"| n{line.target}' in mermaid(found)


def hostile(text):
    """A graph in which every text is hostile."""
    box = Box("1", "module", (text, text), "2")
    return Visible(text, (Box("2", "module", (text,), "", opened=True), box), (Line("1", "1", (text,)),))


@pytest.mark.parametrize("text", EVIL)
def test_hostile_names_stay_text_in_dot(text):
    made = dot(hostile(text))
    made.encode()
    assert parsed(made) == ({"1"}, {("1", "1")}, {"2"})
    strings = re.findall(r'"((?:[^"\\]|\\.)*)"', made)
    rest = re.sub(r'"(?:[^"\\]|\\.)*"', "", made)
    assert not re.search(r"evil|onclick|slash|init|N", rest)
    assert all(re.fullmatch(r'(?:[^\\"]|\\[\\"n])*', each) for each in strings)


@pytest.mark.parametrize("text", EVIL)
def test_hostile_names_stay_text_in_mermaid(text):
    made = mermaid(hostile(text))
    lines = made.splitlines()
    string = r'"(?:[\w .,:×…·]|#\d+;|<br/>)*"'
    shapes = ("flowchart TB", rf"  subgraph n2 \[{string}\]", rf"    n1\[{string}\]", "  end")
    assert len(lines) == 5
    for line, shape in zip(lines, (*shapes, rf"  n1 -->\|{string}\| n1"), strict=True):
        assert re.fullmatch(shape, line, re.ASCII), line
    shown = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), re.findall(string, made)[0][1:-1])
    assert shown == re.sub(r"[\x00-\x1f\u2028\ud800]+", " ", text)[:119] + ("…" if len(text) > 120 else text[119:120])


def test_modules_that_could_not_be_run_are_drawn_without_lines():
    nodes = (
        Node(0, -1, "module", "Net", "Net", ""),
        Node(1, 0, "module", "Linear", "Linear", "fc", marks=frozenset({"uncalled"})),
    )
    found = visible(Recording(nodes, inputs=(Argument("x"),), tensors="none"), [0])
    assert [box.lines for box in found.boxes] == [("x",), ("Linear", "fc")]
    assert found.lines == ()
