"""The records by themselves."""

from __future__ import annotations

import pytest

from notebookviz.graph.records import Node, Recording, TensorType


@pytest.mark.parametrize(
    ("dtype", "shape", "numel", "nbytes"),
    [
        ("float32", (2, 3), 6, 24),
        ("bool", (5,), 5, 5),
        ("float16", (), 1, 2),
        ("complex128", (2,), 2, 32),
        ("quint4x2", (4,), 4, 2),
        ("float8_e4m3fn", (3,), 3, 3),
        ("float32", (0, 4), 0, 0),
    ],
)
def test_sizes(dtype, shape, numel, nbytes):
    kind = TensorType(dtype, shape)
    assert (kind.numel, kind.nbytes) == (numel, nbytes)


def test_names():
    root = Node(0, -1, "module", "Net", "m.Net", "")
    block = Node(1, 0, "module", "Block", "m.Block", "layer1.0")
    leaf = Node(2, 1, "operator", "F.relu", "torch.nn.functional.relu", "layer1.0")
    recording = Recording((root, block, leaf))
    assert [node.name for node in recording.nodes] == ["Net", "0", "F.relu"]
    assert recording.root is root
