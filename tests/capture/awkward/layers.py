"""Layers of PyTorch whose inside is easily missed."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, rnn

from tests.capture.awkward.case import Calls, Case, Kinds, quiet, register

KINDS: Kinds = {}
kind = register(KINDS)


@kind
def one_module_called_five_times():
    return Case(Calls(lambda m, x: [x := m.step(x) for _ in range(5)][-1], step=nn.Linear(4, 4)), (torch.rand(2, 4),))


@kind
def one_module_under_two_names():
    layer = nn.Linear(4, 4)
    return Case(nn.Sequential(layer, nn.ReLU(), layer), (torch.rand(2, 4),))


@kind
def tied_weights():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(10, 4)
            self.head = nn.Linear(4, 10, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids):
            return self.head(self.embed(ids))

    return Case(Tied(), (torch.arange(6).reshape(1, 6),))


@kind
def stacked_lstm_both_ways():
    return Case(nn.LSTM(4, 5, 2, bidirectional=True, batch_first=True), (torch.rand(2, 3, 4),))


@kind
def lstm_with_projection():
    return Case(nn.LSTM(4, 6, proj_size=2), (torch.rand(3, 2, 4),))


@kind
def gru_with_state():
    return Case(nn.GRU(4, 5), (torch.rand(3, 2, 4), torch.rand(1, 2, 5)))


@kind
def rnn_without_batch():
    return Case(nn.RNN(4, 5, nonlinearity="relu"), (torch.rand(3, 4),))


@kind
def cells_in_a_loop():
    def body(m, x):
        state, short, other = (torch.zeros(2, 5) for _ in range(3))
        for step in x:
            state, short = m.lstm(step, (state, short))
            other = m.rnn(m.gru(step, other), other)
        return state, other

    parts = {"lstm": nn.LSTMCell(4, 5), "gru": nn.GRUCell(4, 5), "rnn": nn.RNNCell(5, 5)}
    return Case(Calls(body, **parts), (torch.rand(3, 2, 4),))


@kind
def packed_sequence():
    def body(m, x, lengths):
        packed = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, _ = m.lstm(packed)
        return rnn.pad_packed_sequence(output, batch_first=True)[0]

    case = Calls(body, lstm=nn.LSTM(4, 5, batch_first=True))
    return Case(case, (torch.rand(2, 6, 4), torch.tensor([6, 3])))


@kind
def multihead_attention():
    return Case(nn.MultiheadAttention(8, 2, batch_first=True), (torch.rand(2, 5, 8),) * 3)


@kind
def multihead_attention_without_weights():
    return Case(
        Calls(lambda m, x: m.attend(x, x, x, need_weights=False)[0], attend=nn.MultiheadAttention(8, 2)),
        (torch.rand(5, 2, 8),),
    )


@kind
def transformer_encoder():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    return Case(nn.TransformerEncoder(layer, 2), (torch.rand(2, 5, 8),))


@kind
def transformer_encoder_with_padding():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    mask = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    inputs = (torch.rand(2, 5, 8),), {"src_key_padding_mask": mask}
    return Case(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), *inputs)


@kind
def whole_transformer():
    return Case(nn.Transformer(8, 2, 1, 1, 16), (torch.rand(5, 2, 8), torch.rand(4, 2, 8)))


@kind
def embedding_bag():
    return Case(nn.EmbeddingBag(10, 4), (torch.arange(6), torch.tensor([0, 4])))


@kind
def embedding_bag_of_rows():
    return Case(nn.EmbeddingBag(10, 4, mode="sum"), (torch.arange(6).reshape(2, 3),))


@kind
def one_dimension():
    return Case(nn.Sequential(nn.Conv1d(2, 4, 3), nn.BatchNorm1d(4), nn.AdaptiveAvgPool1d(1)), (torch.rand(1, 2, 16),))


@kind
def three_dimensions():
    model = nn.Sequential(nn.Conv3d(1, 2, 3), nn.BatchNorm3d(2), nn.ConvTranspose3d(2, 1, 2), nn.MaxPool3d(2))
    return Case(model, (torch.rand(1, 1, 8, 8, 8),))


@kind
def parametrization():
    class Symmetric(nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).transpose(-1, -2)

    layer = nn.Linear(4, 4)
    parametrize.register_parametrization(layer, "weight", Symmetric())
    return Case(nn.Sequential(layer, nn.ReLU()), (torch.rand(2, 4),))


@kind
def orthogonal_parametrization():
    return Case(parametrizations.orthogonal(nn.Linear(4, 4)), (torch.rand(2, 4),))


@kind
def weight_norm():
    return Case(nn.Sequential(parametrizations.weight_norm(nn.Conv1d(2, 3, 3)), nn.ReLU()), (torch.rand(1, 2, 8),))


@kind
def spectral_norm():
    return Case(nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 3)), nn.ReLU()), (torch.rand(2, 4),))


@kind
def old_weight_norm():
    with quiet():
        return Case(nn.Sequential(nn.utils.weight_norm(nn.Linear(4, 3)), nn.ReLU()), (torch.rand(2, 4),))


@kind
def old_spectral_norm():
    with quiet():
        return Case(nn.Sequential(nn.utils.spectral_norm(nn.Linear(4, 3)), nn.ReLU()), (torch.rand(2, 4),))


@kind
def pruned():
    from torch.nn.utils import prune

    return Case(nn.Sequential(prune.l1_unstructured(nn.Linear(4, 3), "weight", amount=2)), (torch.rand(2, 4),))


@kind
def index_and_scatter():
    def body(m, x, at):
        rows = x[at]
        picked = x.gather(0, at[:, None].expand(-1, 4)).index_select(1, m.order)
        added = torch.zeros(3, 4).index_add(0, at, picked).scatter_add(0, at[:, None].expand(-1, 4), rows)
        added.index_put_((at,), rows)
        added.scatter_(1, torch.zeros(3, 1, dtype=torch.int64), 1.0)
        return m.head(added.masked_fill(added > 0, 0.0)), torch.scatter_reduce(added, 0, at[:, None], picked, "amax")

    parts = {"order": torch.tensor([3, 2, 1, 0]), "head": nn.Linear(4, 2)}
    return Case(Calls(body, **parts), (torch.rand(3, 4), torch.tensor([2, 0])))


@kind
def lazy_layers():
    return Case(
        nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5)),
        (torch.rand(2, 3, 8, 8),),
        compare=False,
    )


@kind
def pixel_shuffle_and_fold():
    def body(m, x):
        cut = nn.functional.unfold(x, 2, stride=2)
        return nn.functional.pixel_shuffle(m.conv(nn.functional.fold(cut, (4, 4), 2, stride=2)), 2)

    return Case(Calls(body, conv=nn.Conv2d(3, 4, 1)), (torch.rand(1, 3, 4, 4),))
