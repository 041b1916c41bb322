"""Short cuts give what the operators give."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from notebookviz.capture import shortcuts

aten = torch.ops.aten
IMAGES = torch.rand(2, 3, 4, 5)
GIVEN = [
    IMAGES,
    torch.rand(2, 3),
    torch.rand(2, 3, 4, 4, 4),
    torch.rand(0, 3, 4, 4),
    IMAGES.to(memory_format=torch.channels_last),
    IMAGES.bfloat16(),
    torch.rand(4, 2, 3, 5).transpose(0, 1).transpose(1, 2),
]
WHOLE = torch.arange(24).reshape(2, 3, 4)
PLAIN = ([1, 1], [0, 0], [1, 1], False, [0, 0], 1)


def name(given):
    return f"{tuple(given.shape)} {given.stride()} {given.dtype}" if isinstance(given, torch.Tensor) else None


def both(func, *args):
    """What fake tensors make of an operator, and what the short cut makes of it."""
    with FakeTensorMode(allow_non_fake_inputs=True) as mode, torch.no_grad():
        fakes = tuple(mode.from_tensor(item) if isinstance(item, torch.Tensor) else item for item in args)
        found = shortcuts.answer(func, fakes, {})
        wanted = func(*fakes)
    pack = lambda result: list(result) if isinstance(result, (tuple, list)) else [result]  # noqa: E731
    return fakes[0], pack(wanted), pack(found)


def facts(tensor):
    return type(tensor), tensor.shape, tensor.stride(), tensor.device, tensor.storage_offset(), tensor.requires_grad


@pytest.mark.parametrize("given", GIVEN, ids=name)
def test_batch_norm(given):
    sizes = [torch.rand(given.shape[1]) for _ in range(4)]
    _, wanted, found = both(aten.native_batch_norm.default, given, *sizes, False, 0.1, 1e-5)
    if found != [NotImplemented]:
        assert list(map(facts, found)) == list(map(facts, wanted))
        assert found[0].dtype is wanted[0].dtype
    else:
        assert not given.is_contiguous()


@pytest.mark.parametrize(
    ("given", "weight", "settings"),
    [
        (torch.rand(2, 3, 9), torch.rand(4, 3, 3), ([2], [1], [1], False, [0], 1)),
        (torch.rand(2, 3, 9, 7), torch.rand(4, 3, 3, 5), ([2, 1], [1, 2], [2, 1], False, [0, 0], 1)),
        (torch.rand(2, 4, 9, 7), torch.rand(6, 2, 1, 1), ([1, 1], [0, 0], [1, 1], False, [0, 0], 2)),
        (torch.rand(1, 1, 5, 5), torch.rand(1, 1, 5, 5), ([3, 3], [0, 0], [1, 1], False, [0, 0], 1)),
        (torch.rand(1, 1, 5, 5).bfloat16(), torch.rand(4, 1, 3, 3).bfloat16(), ([3, 3], [0, 0], [1, 1], False, [0], 1)),
        (torch.rand(2, 3, 6, 7, 8), torch.rand(4, 3, 3, 2, 2), ([1, 2, 3], [1, 1, 1], [1, 1, 1], False, [0, 0, 0], 1)),
    ],
    ids=name,
)
@pytest.mark.parametrize("biased", [True, False])
def test_convolution(given, weight, settings, biased):
    bias = torch.rand(weight.shape[0], dtype=weight.dtype) if biased else None
    _, (wanted,), (found,) = both(aten.convolution.default, given, weight, bias, *settings)
    assert (facts(found), found.dtype) == (facts(wanted), wanted.dtype)


@pytest.mark.parametrize("given", GIVEN, ids=name)
@pytest.mark.parametrize("number", [True, False], ids=["number", "tensor"])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "add_", "sub_", "mul_", "div_"])
def test_two_of_the_same_type(op, number, given):
    first, (wanted,), (found,) = both(getattr(aten, op).Tensor, given, 2 if number else given.clone())
    if found is NotImplemented:
        assert not given.is_contiguous()
        return
    assert (facts(found), found.dtype) == (facts(wanted), wanted.dtype)
    assert (found is first) == (wanted is first) == op.endswith("_")


@pytest.mark.parametrize("sizes", [[5], [4, 5]], ids=str)
@pytest.mark.parametrize("weighted", [True, False])
def test_layer_norm(sizes, weighted):
    weight = torch.rand(sizes) if weighted else None
    _, wanted, found = both(aten.native_layer_norm.default, IMAGES, sizes, weight, weight, 1e-5)
    assert list(map(facts, found)) == list(map(facts, wanted))
    assert [each.dtype for each in found] == [each.dtype for each in wanted]


@pytest.mark.parametrize("left", [torch.rand(4, 3), torch.rand(3, 4).t(), torch.rand(0, 3)], ids=name)
def test_addmm(left):
    _, (wanted,), (found,) = both(aten.addmm.default, torch.rand(5), left, torch.rand(5, 3).t())
    assert (facts(found), found.dtype) == (facts(wanted), wanted.dtype)


@pytest.mark.parametrize(
    ("func", "args"),
    [
        (aten.addmm.default, (torch.rand(5), torch.rand(4, 3), torch.rand(2, 5))),
        (aten.addmm.default, (torch.rand(4), torch.rand(4, 3), torch.rand(3, 5))),
        (aten.addmm.default, (torch.rand(5), torch.rand(4, 3), torch.rand(3, 5).double())),
        (aten.convolution.default, (IMAGES, torch.rand(4, 2, 1, 1), None, *PLAIN)),
        (aten.convolution.default, (IMAGES, torch.rand(4, 3, 9, 1), None, *PLAIN)),
        (aten.convolution.default, (IMAGES, torch.rand(4, 3, 1, 1).double(), None, *PLAIN)),
        (aten.convolution.default, (IMAGES, torch.rand(4, 3, 1, 1), torch.rand(3), *PLAIN)),
        (aten.convolution.default, (IMAGES, torch.rand(3, 4, 1, 1), None, *PLAIN[:3], True, *PLAIN[4:])),
        (aten.add.Tensor, (IMAGES, torch.rand(5))),
        (aten.add.Tensor, (IMAGES, IMAGES.double())),
        (aten.add.Tensor, (WHOLE, 1.5)),
        (aten.mul_.Tensor, (torch.rand(1, 3).expand(2, 3), 2.0)),
        (aten.native_layer_norm.default, (IMAGES, [4], None, None, 1e-5)),
        (aten.native_layer_norm.default, (IMAGES, [5], torch.rand(4), None, 1e-5)),
        (aten.native_layer_norm.default, (IMAGES.bfloat16(), [5], None, None, 1e-5)),
    ],
    ids=lambda item: item.__name__ if hasattr(item, "__name__") else "",
)
def test_what_does_not_fit_is_left_to_the_operator(func, args):
    with FakeTensorMode() as mode:
        fakes = tuple(mode.from_tensor(item) if isinstance(item, torch.Tensor) else item for item in args)
        assert shortcuts.answer(func, fakes, {}) is NotImplemented


@pytest.mark.parametrize("given", [*GIVEN, WHOLE], ids=name)
@pytest.mark.parametrize("op", ["relu", "silu", "gelu", "tanh", "relu_", "silu_", "hardswish_"])
def test_one_tensor_of_the_same_type(op, given):
    func = getattr(aten, op).default
    if not given.is_floating_point():
        with FakeTensorMode() as mode:
            assert shortcuts.answer(func, (mode.from_tensor(given),), {}) is NotImplemented
        return
    first, (wanted,), (found,) = both(func, given)
    if found is NotImplemented:
        assert not given.is_contiguous()
        return
    assert (facts(found), found.dtype) == (facts(wanted), wanted.dtype)
    assert (found is first) == (wanted is first) == op.endswith("_")


@pytest.mark.parametrize(
    ("func", "more"),
    [
        (aten.view.default, ([6, 4],)),
        (aten.view.default, ([2, -1],)),
        (aten._unsafe_view.default, ([24],)),
        (aten.transpose.int, (0, 2)),
        (aten.permute.default, ([2, 0, 1],)),
        (aten.select.int, (1, 2)),
        (aten.squeeze.dim, (1,)),
        (aten.unsqueeze.default, (1,)),
        (aten.expand.default, ([5, 2, 3, 4],)),
        (aten.slice.Tensor, (2, 1, 3)),
        (aten.detach.default, ()),
    ],
    ids=str,
)
@pytest.mark.parametrize("given", [WHOLE, WHOLE.float(), WHOLE.half()[:, :, :]], ids=name)
def test_views(func, more, given):
    first, (wanted,), (found,) = both(func, given, *more)
    assert (facts(found), found.dtype) == (facts(wanted), wanted.dtype)
    assert found.untyped_storage()._cdata == first.untyped_storage()._cdata


def test_the_wrong_size_is_refused_in_the_same_words():
    with FakeTensorMode() as mode:
        given = mode.from_tensor(WHOLE)
        said = []
        for run in (aten.view.default, lambda *args: shortcuts.answer(aten.view.default, args, {})):
            with pytest.raises(RuntimeError, match=r"shape '\[5, 5\]' is invalid for input of size 24") as caught:
                run(given, [5, 5])
            said.append(str(caught.value))
    assert said[0] == said[1]


def test_what_is_not_known_is_left_to_the_operator():
    with FakeTensorMode() as mode:
        given = mode.from_tensor(torch.rand(2, 3))
        size = mode.from_tensor(torch.rand(3))
    assert shortcuts.answer(aten.relu.default, (torch.rand(2),), {}) is NotImplemented
    assert shortcuts.answer(aten.gelu.default, (given,), {"approximate": "tanh"}) is NotImplemented
    training = (given, size, size, size, size, True, 0.1, 1e-5)
    assert shortcuts.answer(aten.native_batch_norm.default, training, {}) is NotImplemented
    assert isinstance(given, FakeTensor)
