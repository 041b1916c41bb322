"""The encoding: what the page and the panel read."""

from __future__ import annotations

import gzip
import json

import pytest

from notebookviz.graph.encode import encode, pack
from notebookviz.graph.records import Argument, Failure, Mark
from notebookviz.graph.tree import Tree, opening
from tests.graph import samples
from tests.graph.expected import drawn, openable


def test_it_is_json_without_empty_values_in_nodes() -> None:
    data = encode(samples.residual())
    assert json.loads(json.dumps(data)) == data
    for node in data["nodes"]:
        assert all(value not in ("", 0, [], None) for value in node.values())
    assert data["nodes"][0]["parent"] == -1
    assert data["totals"] == {"params": 2978, "trainable": 2978, "bytes": 11952, "macs": 0}


def test_packed_is_the_same_gzipped_and_the_same_each_time() -> None:
    recording = samples.residual()
    assert json.loads(gzip.decompress(pack(recording))) == encode(recording)
    assert pack(recording) == pack(recording)


def test_lone_surrogates_are_packed() -> None:
    recording = samples.Builder()
    recording.module(-1, "Net\ud800", "")
    assert gzip.decompress(pack(recording.recording((), ())))


@pytest.mark.parametrize("name", ["residual", "failed", "hostile", "tree"])
def test_leaves_are_what_cannot_be_opened(name: str) -> None:
    recording = getattr(samples, name)()
    tree = Tree(recording)
    modules = {node.index for node in recording.nodes if node.kind == "module"}
    assert {index for index in modules if not tree.is_leaf(index)} - {0} == openable(recording) - {0}


def test_opened_at_first_is_the_greatest_depth_with_at_most_forty_nodes() -> None:
    few, many = samples.residual(2), samples.residual(12)
    assert set(opening(few)) == openable(few)
    opened = set(opening(many))
    nodes, _ = drawn(many, opened)
    assert len(nodes - opened) <= 40
    assert len(drawn(many, openable(many))[0] - openable(many)) > 40
    assert opened == {0, next(node.index for node in many.nodes if node.path == "layers")}


def test_a_depth_can_be_asked_for() -> None:
    recording = samples.residual(12)
    assert opening(recording, depth=1) == [0]
    assert set(opening(recording, depth=9)) == openable(recording)


def test_modules_that_were_never_called_do_not_count() -> None:
    build = samples.Builder()
    root = build.module(-1, "Net", "", (0,))
    source = build.value(1, 4)
    block = build.module(root, "Block", "block", (source,))
    result = build.value(1, 4)
    build.operator(block, "F.relu", (source,), result)
    build.module(block, "Linear", "block.spare", marks=frozenset({"uncalled"}))
    recording = build.recording((), ())
    assert Tree(recording).is_leaf(block)
    assert encode(recording)["nodes"][block]["leaf"] == 1


def test_a_tree_that_could_not_be_run_is_open_as_far_as_forty_nodes() -> None:
    build = samples.Builder()
    uncalled = frozenset[Mark]({"uncalled"})
    root = build.module(-1, "ModuleList", "")
    for outer in range(8):
        part = build.module(root, "Sequential", f"{outer}", marks=uncalled)
        for inner in range(4):
            deep = build.module(part, "Sequential", f"{outer}.{inner}", marks=uncalled)
            for last in range(2):
                build.module(deep, "ReLU", f"{outer}.{inner}.{last}", marks=uncalled)
    tree = build.recording((), (), tensors="none")
    parts = [node.index for node in tree.nodes if node.path.isdigit()]
    assert opening(tree) == [0, *parts]


def test_a_module_that_refused_its_input_is_closed_and_one_that_took_it_is_open() -> None:
    refused = samples.stopped()
    assert opening(refused) == [0]
    assert opening(refused, depth=9) == [0, refused.failure.node]
    build = samples.Builder()
    root = build.module(-1, "Net", "", (0,))
    source = build.value(2, 4)
    bad = build.module(root, "Block", "block", (source,), marks=frozenset[Mark]({"failed"}))
    for _ in range(2):
        build.operator(bad, "sin", (source,), build.value(2, 4))
    took = build.recording((Argument("x", (source,)),), (), failure=Failure(bad, "ValueError", "no"))
    assert opening(took) == [0, bad]
