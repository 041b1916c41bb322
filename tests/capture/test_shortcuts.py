"""Short cuts give what the operators give."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from notebookviz.capture import shortcuts

aten = torch.ops.aten


def norm(given, *, training=False, weight=torch.float32):
    sizes = [torch.rand(given.shape[1], dtype=weight) for _ in range(4)]
    return (given, *sizes, training, 0.1, 1e-5)


@pytest.mark.parametrize(
    "given",
    [
        torch.rand(2, 3, 4, 5),
        torch.rand(2, 3),
        torch.rand(2, 3, 4),
        torch.rand(2, 3, 4, 4, 4),
        torch.rand(0, 3, 4, 4),
        torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.rand(2, 3, 4, 5, dtype=torch.bfloat16),
        torch.rand(4, 2, 3, 5).transpose(0, 1).transpose(1, 2),
    ],
    ids=lambda given: f"{tuple(given.shape)} {given.stride()} {given.dtype}",
)
def test_batch_norm_is_what_fake_tensors_make_of_it(given):
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        args = [mode.from_tensor(item) if isinstance(item, torch.Tensor) else item for item in norm(given)]
        wanted = aten.native_batch_norm.default(*args)
        found = shortcuts.answer(aten.native_batch_norm.default, tuple(args))
    for one, other in zip(wanted, found, strict=True):
        assert type(one) is type(other)
        assert (one.shape, one.stride(), one.device) == (other.shape, other.stride(), other.device)
    assert found[0].dtype is wanted[0].dtype


def test_what_is_not_known_is_left_to_the_operator():
    assert shortcuts.answer(aten.relu.default, (torch.rand(2),)) is NotImplemented
    training = norm(torch.rand(2, 3), training=True)
    assert shortcuts.answer(aten.native_batch_norm.default, training) is NotImplemented
    meta = norm(torch.rand(2, 3, device="meta"))
    assert shortcuts.answer(aten.native_batch_norm.default, meta) is NotImplemented
