"""Bytes of live tensors."""

import numpy as np
import pytest
import torch
from torch import nn

from notebookviz.errors import InputError
from notebookviz.tensor_bytes import figures, tensor_bytes


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float64, torch.float16, torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64],
)
def test_bytes_are_those_of_numpy(dtype):
    tensor = torch.arange(-3, 9).reshape(3, 4).to(dtype)
    found = tensor_bytes(tensor)
    assert found.data == np.ascontiguousarray(tensor.numpy()).astype(tensor.numpy().dtype.newbyteorder("<")).tobytes()
    assert (found.dtype, found.shape) == (str(dtype).removeprefix("torch."), (3, 4))


def test_bfloat16_keeps_its_own_bits():
    found = tensor_bytes(torch.tensor([1.0, -2.0], dtype=torch.bfloat16))
    assert found.data.hex() == "803f00c0"
    assert dict(found.metrics)["min"] == "-2"


def test_non_contiguous_and_expanded_tensors_are_read_in_row_major_order():
    base = torch.arange(6.0).reshape(2, 3)
    assert np.frombuffer(tensor_bytes(base.t()).data, "<f4").tolist() == [0, 3, 1, 4, 2, 5]
    assert np.frombuffer(tensor_bytes(torch.ones(1).expand(3)).data, "<f4").tolist() == [1, 1, 1]
    assert np.frombuffer(tensor_bytes(torch.ones(4, dtype=torch.complex64).imag).data, "<f4").tolist() == [0] * 4


def test_scalars_and_bools_and_empty_tensors():
    assert tensor_bytes(torch.tensor(5)).data == (5).to_bytes(8, "little")
    assert tensor_bytes(torch.tensor([True, False])).data == b"\1\0"
    empty = tensor_bytes(torch.empty(0, 3))
    assert (empty.data, empty.shape, empty.metrics) == (b"", (0, 3), ())
    assert empty.description == "This tensor is empty: one of its dimensions is 0."


def test_the_value_is_todays_and_the_parameter_is_left_alone():
    layer = nn.Linear(2, 2)
    before = tensor_bytes(layer.weight).data
    with torch.no_grad():
        layer.weight += 1
    assert tensor_bytes(layer.weight).data != before
    assert layer.weight.grad_fn is None
    assert layer.weight.requires_grad


def quantised():
    return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


@pytest.mark.parametrize(
    ("make", "what", "hint"),
    [
        (lambda: torch.empty(2, device="meta"), "'w' is on the meta device: shape and type only", "Load the weights"),
        (lambda: torch.ones(2, dtype=torch.complex64), "'w' holds complex numbers", "view_as_real"),
        (quantised, "'w' is quantised: its values are packed", "dequantize"),
        (lambda: torch.eye(2).to_sparse(), "'w' is stored as sparse_coo: only dense", "to_dense"),
        (lambda: torch.ones(2).to(torch.float8_e4m3fn), "'w' has the data type float8_e4m3fn", "float"),
        (lambda: nn.LazyLinear(2).weight, "'w' is not initialised yet", "Run the model once"),
        (lambda: torch.ones(2000), "'w' takes 0.007629 MB; values are shown up to 0.003815 MB", "a part of it"),
    ],
)
def test_what_has_no_values_says_why(make, what, hint):
    with pytest.raises(InputError) as caught:
        tensor_bytes(make(), name="w", limit=4000)
    assert what in caught.value.what
    assert hint in caught.value.hint


def test_figures_leave_nan_and_infinity_out_and_count_them():
    found = dict(figures(torch.tensor([1.0, 3.0, float("nan"), float("inf"), float("-inf"), 0.0])))
    assert found == {
        "min": "0", "max": "3", "mean": "1.33333", "std": "1.24722", "sparsity": 1 / 6, "NaN": "1", "Inf": "2",
    }  # fmt: skip


def test_figures_of_many_blocks_equal_those_of_one(monkeypatch):
    tensor = torch.randn(1000, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    whole = figures(tensor)
    monkeypatch.setattr("notebookviz.tensor_bytes._BLOCK", 7)
    assert figures(tensor) == whole
    assert dict(whole)["std"] == f"{tensor.double().std(correction=0).item():.6g}"


def test_only_nan_has_no_minimum():
    assert dict(figures(torch.full((2,), float("nan")))) == {"sparsity": 0.0, "NaN": "2"}


def test_reading_makes_no_difference_to_the_random_state():
    before = torch.get_rng_state()
    tensor_bytes(torch.ones(3))
    assert torch.equal(before, torch.get_rng_state())
