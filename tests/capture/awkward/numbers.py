"""Number types and devices."""

from __future__ import annotations

import torch
from torch import nn

from tests.capture.awkward.case import Calls, Case, Kinds, register

KINDS: Kinds = {}
kind = register(KINDS)


def convolutional():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


def _typed(dtype):
    return Case(convolutional().to(dtype), (torch.rand(1, 3, 8, 8).to(dtype),))


@kind
def bfloat16():
    return _typed(torch.bfloat16)


@kind
def float16():
    return _typed(torch.float16)


@kind
def float64():
    return _typed(torch.float64)


@kind
def complex64():
    def body(m, x):
        spectrum = torch.fft.fft(m.layer(x))
        return torch.view_as_real(spectrum * spectrum.conj()), spectrum.abs()

    layer = nn.Linear(4, 8, dtype=torch.complex64)
    return Case(Calls(body, layer=layer), (torch.rand(2, 4, dtype=torch.complex64),))


@kind
def rotary_by_complex_numbers():
    def body(m, x):
        turned = torch.view_as_complex(x.reshape(2, 3, 2, 2)) * torch.polar(torch.ones(2), m.angles)
        return m.layer(torch.view_as_real(turned).flatten(2))

    return Case(Calls(body, layer=nn.Linear(4, 4), angles=torch.rand(2)), (torch.rand(2, 3, 4),))


@kind
def on_meta():
    with torch.device("meta"):
        return Case(convolutional(), (torch.rand(1, 3, 8, 8),))


@kind
def on_meta_with_an_input_on_cpu():
    with torch.device("meta"):
        model = convolutional()
        real = convolutional()
    x = torch.rand(1, 3, 8, 8)
    return Case(model, (x,), real=Calls(lambda m, x: m.inner(x.to("meta")), inner=real), compare=False)


@kind
def on_meta_but_for_a_buffer():
    with torch.device("meta"):
        layer, real = nn.Linear(4, 4), nn.Linear(4, 4)
    scaled = Calls(lambda m, x: m.layer(x) * m.scale, layer=layer, scale=torch.ones(4))
    x = torch.rand(2, 4)
    return Case(scaled, (x,), real=Calls(lambda m, x: m.layer(x.to("meta")), layer=real), compare=False)


@kind
def on_two_devices():
    def body(m, x):
        return m.far(m.near(x).to("meta")) * torch.tensor(2.0)

    return Case(Calls(body, near=nn.Linear(4, 8), far=nn.Linear(8, 2, device="meta")), (torch.rand(2, 4),))


@kind
def eight_bit_floats():
    weight = torch.rand(4, 4).to(torch.float8_e4m3fn)
    return Case(Calls(lambda m, x: x @ m.weight.to(x.dtype), weight=weight), (torch.rand(2, 4),))


@kind
def sparse_weight():
    weight = torch.eye(4).to_sparse()
    return Case(Calls(lambda m, x: torch.sparse.mm(m.weight, x), weight=weight), (torch.rand(4, 2),))


@kind
def mixed_types_made_equal():
    def body(m, x):
        return m.narrow(m.wide(x.double()).half())

    parts = {"wide": nn.Linear(4, 4).double(), "narrow": nn.Linear(4, 4).half()}
    return Case(Calls(body, **parts), (torch.rand(2, 4),))
