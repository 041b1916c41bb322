"""Which neighbours become one node, and which don't: real models of twelve small blocks, one of them different."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from notebookviz.capture import capture
from notebookviz.graph.encode import encode
from notebookviz.graph.fold import fold
from notebookviz.graph.records import Node, Recording
from notebookviz.graph.totals import module_totals
from notebookviz.graph.tree import Tree, opening
from notebookviz.selection import expanded, find, holder

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH = 8


class Block(nn.Module):
    """A residual block that knows its number, as the blocks of language models do."""

    def __init__(self, number: int = 0, inner: int = WIDTH, scale: float = 1.0, causal: bool = True) -> None:
        super().__init__()
        self.number, self.scale, self.causal = number, scale, causal
        self.up = nn.Linear(WIDTH, inner)
        self.down = nn.Linear(inner, WIDTH)

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        found = self.down(torch.relu(self.up(x)))
        return x + (found if mask is None else found * mask)


class Late(Block):
    """The same, added to the block's own result."""

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        found = self.down(torch.relu(self.up(x)))
        return found + (found if mask is None else x * mask)


class Net(nn.Module):
    """Twelve blocks one after the other, all with the same mask; ``skip`` hands the result of one to the end."""

    def __init__(self, blocks: list[nn.Module], skip: int | None = None, masked: bool = True) -> None:
        super().__init__()
        self.first = nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList(blocks)
        self.skip = skip
        self.masked = masked

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = (x > 0).float() if self.masked else None
        x = self.first(x)
        kept = None
        for number, block in enumerate(self.blocks):
            x = block(x) if mask is None else block(x, mask)
            kept = x if number == self.skip else kept
        return x if kept is None else x + kept


def twelve() -> list[nn.Module]:
    return [Block(number) for number in range(12)]


def looked(model: nn.Module) -> Recording:
    return fold(capture(model, (torch.zeros(2, WIDTH),)))


def texts(recording: Recording) -> list[tuple[str, str]]:
    return [(each.type, each.name) for each in recording.folds]


def test_twelve_equal_blocks_are_one_node_whatever_their_numbers() -> None:
    assert texts(looked(Net(twelve()))) == [("12 × Block", "blocks.0 … blocks.11")]


def widened(block: Block) -> nn.Module:
    return Block(block.number, inner=WIDTH + 1)


def frozen(block: Block) -> nn.Module:
    block.up.bias.requires_grad_(False)
    return block


DIFFERENT: dict[str, Callable[[Block], Any]] = {
    "width": widened,
    "flag": lambda block: Block(block.number, causal=False),
    "setting": lambda block: Block(block.number, scale=0.5),
    "number": lambda block: Block(block.number + 1),
    "class": nn.Sequential,
    "wiring inside": lambda block: Late(block.number),
    "bias": lambda block: setattr(block, "up", nn.Linear(WIDTH, WIDTH, bias=False)) or block,
    "frozen": frozen,
    "eval only": lambda block: setattr(block, "down", nn.Sequential(block.down, nn.Identity())) or block,
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_one_block_that_differs_stands_between_two_folds(name: str) -> None:
    blocks = twelve()
    blocks[5] = DIFFERENT[name](blocks[5])
    model = Net(blocks, masked=name != "class")
    expected = [("5 × Block", "blocks.0 … blocks.4"), ("6 × Block", "blocks.6 … blocks.11")]
    assert texts(looked(model)) == expected


def test_a_result_that_is_also_used_elsewhere_ends_a_fold() -> None:
    assert texts(looked(Net(twelve(), skip=4))) == [
        ("5 × Block", "blocks.0 … blocks.4"),
        ("7 × Block", "blocks.5 … blocks.11"),
    ]
    found = texts(looked(Net(twelve(), skip=0)))
    assert found == [("11 × Block", "blocks.1 … blocks.11")]


def test_one_block_with_another_input_stands_alone() -> None:
    class Crossed(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mask = (x > 0).float()
            for number, block in enumerate(self.blocks):
                x = block(x, x if number == 7 else mask)
            return x

    assert texts(looked(Crossed(twelve()))) == [
        ("7 × Block", "blocks.0 … blocks.6"),
        ("4 × Block", "blocks.8 … blocks.11"),
    ]


def test_two_are_no_repetition_and_three_are() -> None:
    assert texts(looked(Net(twelve()[:2]))) == []
    assert texts(looked(Net(twelve()[:3]))) == [("3 × Block", "blocks.0 … blocks.2")]


def test_blocks_inside_blocks_and_plain_layers() -> None:
    deep = nn.Sequential(*(nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(4)), nn.ReLU()) for _ in range(3)))
    recording = looked(deep)
    assert texts(recording) == [("3 × Sequential", "0 … 2"), *[("4 × Linear", "0 … 3")] * 3]
    assert opening(recording) == [0]


def test_units_of_several_neighbours() -> None:
    class Alternating(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(Block() if number % 2 else Late() for number in range(8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for block in self.blocks:
                x = block(x).mul(2)
            return x

    assert texts(looked(Alternating())) == [("4 × (Late, *, Block)", "blocks.0 … blocks.7")]
    assert texts(looked(nn.Sequential(*[layer for _ in range(4) for layer in (nn.Linear(8, 8), nn.ReLU())]))) == []


def test_experts_that_are_called_one_by_one_go_by_their_class_and_their_routing_is_marked() -> None:
    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList(Block() for _ in range(4))
            self.gate = nn.Linear(WIDTH, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            weights, chosen = self.gate(x).softmax(-1).topk(2)
            found = torch.zeros_like(x)
            for number, expert in enumerate(self.experts):
                row, place = torch.where(chosen == number)
                found.index_add_(0, row, expert(x[row]) * weights[row, place, None])
            return found

    recording = looked(Mixture())
    assert texts(recording) == [("4 × (Block, …)", "experts.0 … experts.3")]
    assert recording.folds[0].marks == {"assumed"}


def test_heads_side_by_side_and_one_module_called_again() -> None:
    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads = nn.ModuleList(Block() for _ in range(4))
            self.again = Block()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.stack([head(x) for head in self.heads]).sum(0)
            for _ in range(5):
                x = self.again(x)
            return x

    recording = looked(Heads())
    assert texts(recording) == [("4 × Block", "heads.0 … heads.3"), ("5 × Block", "again, calls 1 … 5")]
    held = module_totals(recording)
    rows = encode(recording)["folds"]
    assert [row["params"] for row in rows] == [4 * held["again"].params, held["again"].params]
    assert [row["macs"] for row in rows] == [4 * 2 * 128, 5 * 2 * 128]


def test_a_fold_adds_up_what_it_holds() -> None:
    recording = looked(Net(twelve()))
    held = module_totals(recording)
    row = encode(recording)["folds"][0]
    block = next(node for node in recording.nodes if node.path == "blocks.3")
    assert row["params"] == row["trainable"] == 12 * held["blocks.3"].params
    assert row["macs"] == 12 * block.macs
    assert row["bytes"] == 12 * 2 * WIDTH * 4
    assert (row["parent"], row["repeats"], len(row["nodes"])) == (0, 12, 12)


def test_a_weight_from_elsewhere_is_the_same_one() -> None:
    blocks = twelve()
    for block in blocks:
        block.up.weight = blocks[0].up.weight  # type: ignore[union-attr]
    recording = looked(Net(blocks))
    assert [each.type for each in recording.folds] == ["12 × Block"]
    assert encode(recording)["folds"][0]["params"] == 12 * (WIDTH + WIDTH + WIDTH * WIDTH) + WIDTH * WIDTH


def test_a_failure_is_not_folded_away_and_is_open_at_first() -> None:
    blocks = twelve()
    blocks[7] = Block(7)
    blocks[7].up = nn.Linear(WIDTH + 1, WIDTH)
    recording = looked(Net(blocks))
    assert texts(recording) == [("7 × Block", "blocks.0 … blocks.6"), ("4 × Block", "blocks.8 … blocks.11")]
    assert recording.failure is not None
    assert recording.nodes[recording.failure.node].path == "blocks.7.up"
    assert find(recording, "blocks.7") in opening(recording)
    assert not Tree(recording).is_drawn(len(recording.nodes) + 1)


def test_operators_that_prepare_a_mask_are_one_node_beside_the_blocks() -> None:
    class Masked(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            steps = torch.arange(2)
            mask = (((steps + 1) * 2 - 1) > 0).float()[:, None]
            for block in self.blocks:
                x = block(x * 1, mask)
            return x.mean()

    recording = looked(Masked(twelve()))
    assert texts(recording) == [("12 × (*, Block)", "blocks.0 … blocks.11"), ("7 operators", "mask")]
    alone = copy.copy(recording)
    assert fold(alone) == recording


def test_python_opens_and_names_what_is_inside_a_fold() -> None:
    recording = looked(Net(twelve()))
    tree = Tree(recording)
    folded = len(recording.nodes)
    block = find(recording, "blocks.3")
    assert opening(recording) == [0]
    assert expanded(recording, [0], block) == [0, block, folded]
    assert tree.ancestors(block) == [folded, 0]
    assert holder(recording, folded) == ""
    assert holder(recording, folded + 1) is None
    assert set(opening(recording, depth=2)) == {0, folded, *(find(recording, f"blocks.{each}") for each in range(12))}


def test_modules_that_never_ran_are_folded_too() -> None:
    nodes = [
        Node(index, 0, "module", "Block", "Block", f"h.{index - 1}", marks=frozenset({"uncalled"}))
        for index in (1, 2, 3)
    ]
    recording = fold(Recording((Node(0, -1, "module", "Net", "Net", ""), *nodes), tensors="none"))
    assert [(each.type, sorted(each.marks)) for each in recording.folds] == [("3 × Block", ["uncalled"])]
    assert Tree(recording).can_open(4)


class Steps(nn.Module):
    """A recurrent loop; ``odd`` is a step that picks another element."""

    def __init__(self, odd: int | None = None) -> None:
        super().__init__()
        self.cell, self.out, self.odd = nn.GRUCell(4, WIDTH), nn.Linear(WIDTH, 2), odd

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden, found = x.new_zeros(1, WIDTH), []
        for step in range(x.shape[1]):
            hidden = self.cell(x[:, 0 if step == self.odd else step], hidden)
            found.append(self.out(hidden))
        return torch.stack(found, 1)


@pytest.mark.parametrize(
    ("steps", "odd", "found"),
    [
        (20, None, [("20 × ([…], GRUCell, Linear)", "cell, calls 1 … 20")]),
        (
            20,
            10,
            [
                ("10 × ([…], GRUCell, Linear)", "cell, calls 1 … 10"),
                ("9 × (GRUCell, Linear, […])", "cell, calls 11 … 19"),
            ],
        ),
        (7, None, []),
    ],
)
def test_the_steps_of_a_loop_are_one_node(steps: int, odd: int | None, found: list[tuple[str, str]]) -> None:
    recording = fold(capture(Steps(odd).eval(), (torch.zeros(1, steps, 4),)))
    assert [(each.type, each.name) for each in recording.folds] == found
