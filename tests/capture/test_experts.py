"""Mixtures of experts without values: each is called once, however the routing is written, and that is marked."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
import transformers
from torch import nn

from notebookviz.capture import capture

EXPERTS = 4
TOKENS = 6


class Expert(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        return self.down(torch.relu(self.up(x)))


class Mixture(nn.Module):
    """Each token goes to two of the experts; subclasses say how."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(8, EXPERTS)
        self.experts = nn.ModuleList(Expert() for _ in range(EXPERTS))

    def forward(self, x):
        weights, chosen = torch.topk(self.gate(x).softmax(-1), 2, dim=-1)
        return self.spread(x, weights, chosen)


class OneHot(Mixture):
    """As transformers did: a mask by one_hot, and only experts that are hit."""

    def hit(self, mask):
        return range(EXPERTS)

    def spread(self, x, weights, chosen):
        out = torch.zeros_like(x)
        mask = nn.functional.one_hot(chosen, EXPERTS).permute(2, 1, 0)
        for expert in self.hit(mask):
            rank, token = torch.where(mask[expert].reshape(2, -1))
            out.index_add_(0, token, self.experts[expert](x[token]) * weights[token, rank, None])
        return out


class Nonzero(OneHot):
    def hit(self, mask):
        return torch.greater(mask.sum(dim=(-1, -2)), 0).nonzero()


class Listed(OneHot):
    def hit(self, mask):
        return torch.greater(mask.sum(dim=(-1, -2)), 0).nonzero().flatten().tolist()


class Masked(Mixture):
    def spread(self, x, weights, chosen):
        out = torch.zeros_like(x)
        for index, expert in enumerate(self.experts):
            mine = (chosen == index).any(-1)
            if mine.any():
                out[mine] += expert(x[mine])
        return out


class Unique(Mixture):
    def spread(self, x, weights, chosen):
        out = torch.zeros_like(x)
        for index in chosen.unique():
            mine = (chosen == index).any(-1)
            out[mine] = out[mine] + self.experts[int(index)](x[mine])
        return out


class Sorted(Mixture):
    """As DeepSeek's: tokens in the order of their experts, cut by how many each has."""

    def counts(self, chosen):
        return torch.bincount(chosen.view(-1), minlength=EXPERTS).cpu().numpy()

    def spread(self, x, weights, chosen):
        rows, start, done = x[chosen.view(-1).argsort() // 2], 0, []
        for expert, count in zip(self.experts, self.counts(chosen), strict=True):
            if count:
                done.append(expert(rows[start : start + count]))
                start += count
        return torch.cat(done)


class Split(Sorted):
    def counts(self, chosen):
        return torch.bincount(chosen.view(-1), minlength=EXPERTS).tolist()


def calls(recording, kind):
    return Counter(
        node.path for node in recording.nodes if node.type == kind and node.kind == "module" and not node.marks
    )


@pytest.mark.parametrize("kind", [OneHot, Nonzero, Listed, Masked, Unique, Sorted, Split])
def test_on_meta_each_expert_is_called_once_and_the_routing_is_marked(kind):
    with torch.device("meta"):
        recording = capture(kind().eval(), (torch.zeros(TOKENS, 8),))
    assert recording.failure is None
    assert calls(recording, "Expert") == {f"experts.{index}": 1 for index in range(EXPERTS)}
    assert any("assumed" in node.marks for node in recording.nodes if node.kind == "operator")
    assert any("assumed; marked in the graph" in note for note in recording.notes)


def test_with_values_a_branch_is_taken_by_them():
    torch.manual_seed(0)
    model = Masked().eval()
    with torch.no_grad():
        model.gate.weight.zero_()
        model.gate.bias.copy_(torch.tensor([0.0, 3.0, 0.0, 2.0]))
    recording = capture(model, (torch.zeros(TOKENS, 8),))
    assert recording.tensors == "real"
    assert calls(recording, "Expert") == {"experts.1": 1, "experts.3": 1}


def test_a_loop_until_something_holds_still_ends_on_meta():
    class Until(nn.Module):
        def __init__(self):
            super().__init__()
            self.step, self.never = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            while (x.norm() > 1).any():
                x = self.step(x)
            return x

    with torch.device("meta"):
        recording = capture(Until().eval(), (torch.zeros(2, 4),), seconds_limit=2)
    assert recording.failure is None
    assert any("forward reads values" in note for note in recording.notes)


@pytest.mark.parametrize("kind", ["Mixtral", "Qwen3Moe"])
@pytest.mark.parametrize("way", ["eager", "grouped_mm", "batched_mm"])
def test_the_experts_of_transformers_are_one_module_and_each_is_computed_once(kind, way):
    many = {"num_local_experts" if kind == "Mixtral" else "num_experts": EXPERTS, "moe_intermediate_size": 16}
    config = getattr(transformers, f"{kind}Config")(
        hidden_size=32,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=50,
        num_experts_per_tok=2,
        **many,
    )
    config._experts_implementation = way
    with torch.device("meta"):
        model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
        recording = capture(model, (torch.zeros(1, TOKENS, dtype=torch.int64),))
    assert recording.failure is None
    (experts,) = [node for node in recording.nodes if node.path.endswith("mlp.experts") and node.kind == "module"]
    shapes = {recording.initializers[index].type.shape for index in experts.initializers}
    assert shapes == {(EXPERTS, 32, 32), (EXPERTS, 32, 16)}
    inside = [node for node in recording.nodes if node.parent == experts.index]
    if way == "eager":
        assert sum(node.type == "F.linear" for node in inside) == 2 * EXPERTS
        assert sum("assumed" in node.marks for node in inside) == 1 + EXPERTS
    chosen = TOKENS * 2
    assert sum(node.macs for node in inside) == chosen * (32 * 32 + 32 * 16), "as many as all tokens' choices take"


@pytest.mark.parametrize("kind", [OneHot, Nonzero, Listed, Masked, Sorted, Split])
def test_tokens_are_spread_evenly_over_the_experts_so_that_macs_are_right(kind):
    with torch.device("meta"):
        recording = capture(kind().eval(), (torch.zeros(TOKENS, 8),))
    macs = [node.macs for node in recording.nodes if node.path.startswith("experts.") and node.type == "F.linear"]
    each = 2 * TOKENS // EXPERTS * 8 * 16
    assert macs == [each] * (2 * EXPERTS)
    assert any("MACs hold if tokens are spread evenly over the experts." in note for note in recording.notes)


def test_where_experts_are_more_than_choices_macs_are_said_to_be_the_most():
    with torch.device("meta"):
        recording = capture(OneHot().eval(), (torch.zeros(1, 8),))
    assert calls(recording, "Expert") == {f"experts.{index}": 1 for index in range(EXPERTS)}
    assert any("MACs are those of the largest sizes that can be." in note for note in recording.notes)


def test_a_choice_that_is_supposed_decides_no_branch():
    class Beam(nn.Module):
        def __init__(self):
            super().__init__()
            self.step = nn.Linear(4, 4)

        def forward(self, x):
            for _ in range(5):
                best = self.step(x).topk(2, -1).indices
                if (best == 0).any():  # as it is where choices are spread evenly
                    break
                x = self.step(x)
            return x

    with torch.device("meta"):
        recording = capture(Beam().eval(), (torch.zeros(2, 4),))
    assert any("forward reads values" in note for note in recording.notes)
    assert len([node for node in recording.nodes if node.type == "F.linear"]) == 10
