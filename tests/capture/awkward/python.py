"""Things that Python lets people write."""

from __future__ import annotations

import functools
import threading

import torch
from torch import nn

from tests.capture.awkward.case import Calls, Case, Kinds, register

KINDS: Kinds = {}
kind = register(KINDS)
X = torch.rand(2, 4)


class Tagged(torch.Tensor):
    """A tensor subclass that keeps its class through operators."""


class Logged(torch.Tensor):
    """A tensor subclass with a ``__torch_function__`` of its own."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return super().__torch_function__(func, types, args, kwargs or {})


class Slotted:
    """A holder without ``__dict__``."""

    __slots__ = ("layer", "scale")

    def __init__(self, layer, scale):
        self.layer = layer
        self.scale = scale


class Doubled(torch.autograd.Function):
    """An autograd function of the user's own."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.t() * 2

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight * 2, gradient.t() @ x * 2


@kind
def tensor_subclass_as_input():
    return Case(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), (X.clone().as_subclass(Tagged),))


@kind
def tensor_subclass_made_in_forward():
    def body(m, x):
        return m.layer(x.as_subclass(Logged)) * 2

    return Case(Calls(body, layer=nn.Linear(4, 4)), (X,))


@kind
def parameter_of_a_subclass():
    layer = nn.Linear(4, 4)
    layer.weight = nn.Parameter(layer.weight.detach().as_subclass(Tagged))
    return Case(nn.Sequential(layer), (X,))


@kind
def lock_and_thread_local():
    def body(m, x):
        with m.lock:
            m.local.seen = x
            return m.layer(x)

    model = Calls(body, layer=nn.Linear(4, 4))
    model.lock, model.local = threading.RLock(), threading.local()
    return Case(model, (X,))


@kind
def cached_result_of_a_pass():
    model = Calls(lambda m, x: m.layer(x) + m.cache.sum(), layer=nn.Linear(4, 4))
    model.cache = model.layer(torch.rand(2, 4))
    return Case(model, (X,))


@kind
def closure_over_a_module():
    hidden = nn.Linear(4, 4)
    return Case(Calls(lambda m, x: m.layer(hidden(x)), layer=nn.Linear(4, 4)), (X,), compare=False)


@kind
def module_in_a_slot():
    model = Calls(lambda m, x: m.layer(m.held.layer(x)) * m.held.scale, layer=nn.Linear(4, 4))
    model.__dict__["held"] = Slotted(nn.Linear(4, 4), torch.ones(4))
    return Case(model, (X,), compare=False)


class SlottedModule(nn.Module):
    """A module that keeps attributes in slots."""

    __slots__ = ("layer", "scale")

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.scale = torch.ones(4)

    def forward(self, x):
        return self.inner(x) * self.scale


@kind
def module_with_slots():
    return Case(SlottedModule(), (X,))


@kind
def tensors_with_attributes():
    model = Calls(lambda m, x: m.layer(x * m.shift.factor) * m.layer.weight.state["scale"], shift=X[0])
    model.layer = nn.Linear(4, 4)
    model.layer.weight.state = {"scale": torch.ones(4)}
    model.shift.factor = 2.0
    return Case(model, (X,))


@kind
def functions_that_hold_modules():
    model = Calls(lambda m, x: m.outer(m.default(x)) + m.descend(x, 2), layer=nn.Linear(4, 4))
    layer = model.layer

    def inner(x):
        return layer(x)

    def descend(x, times):
        return descend(layer(x), times - 1) if times else x

    model.outer = lambda x: inner(x).relu()
    model.default = lambda x, *, held=layer: held(x)
    model.descend = descend
    return Case(model, (X,))


@kind
def modules_in_a_plain_list():
    model = Calls(lambda m, x: functools.reduce(lambda y, layer: layer(y), m.plain, x), head=nn.Linear(4, 2))
    model.plain = [nn.Linear(4, 4), nn.ReLU()]
    return Case(model, (X,), compare=False)


@kind
def modules_in_a_plain_dict():
    model = Calls(lambda m, x: m.head(m.table["a"](x)), head=nn.Linear(4, 2))
    model.table = {"a": nn.Linear(4, 4)}
    return Case(model, (X,), compare=False)


@kind
def module_replaced_in_forward():
    def body(m, x):
        m.layer = nn.Linear(4, 3)
        return m.layer(x)

    return Case(Calls(body, layer=nn.Linear(4, 4)), (X,), compare=False)


@kind
def module_made_in_forward():
    return Case(Calls(lambda m, x: nn.LayerNorm(4)(m.layer(x)), layer=nn.Linear(4, 4)), (X,), compare=False)


@kind
def buffer_made_at_the_first_call():
    def body(m, x):
        if not hasattr(m, "positions"):
            m.register_buffer("positions", torch.arange(4.0), persistent=False)
        return m.layer(x + m.positions)

    return Case(Calls(body, layer=nn.Linear(4, 4)), (X,))


@kind
def generator_in_forward():
    def steps(m, x):
        for layer in m.layers:
            x = layer(x)
            yield x

    model = Calls(lambda m, x: torch.stack(list(steps(m, x))), layers=nn.ModuleList([nn.Linear(4, 4)] * 2))
    return Case(model, (X,))


@kind
def custom_autograd_function():
    return Case(Calls(lambda m, x: Doubled.apply(x, m.layer.weight), layer=nn.Linear(4, 4)), (X,))


@kind
def partial_as_forward():
    model = nn.Linear(4, 4)
    model.forward = functools.partial(type(model).forward, model)
    return Case(nn.Sequential(model), (X,))


@kind
def forward_patched_on_the_instance():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    plain = model[0].forward
    model[0].forward = lambda x: plain(x) * 2
    return Case(model, (X,))


@kind
def forward_called_directly():
    return Case(Calls(lambda m, x: m.inner.forward(x), inner=nn.Sequential(nn.Linear(4, 4))), (X,))


@kind
def cycle_of_modules():
    model = Calls(lambda m, x: m.layer(x), layer=nn.Linear(4, 4))
    model.layer.__dict__["parent"] = model
    return Case(model, (X,))


@kind
def counter_in_a_buffer():
    def body(m, x):
        m.count += 1
        m.kept.append(x)
        return m.layer(x) * m.count

    model = Calls(body, layer=nn.Linear(4, 4), count=torch.zeros(()))
    model.kept = []
    return Case(model, (X,))


@kind
def dispatch_by_a_table_of_methods():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(4, 4)
            self.ways = {"first": self.first.forward, "own": self.own}

        def own(self, x):
            return self.first(x)

        def forward(self, x):
            return self.ways["own"](x)

    return Case(Table(), (X,))


@kind
def iterates_over_a_tensor():
    def body(m, x):
        first, *rest = x
        return m.layer(first) + sum(rest) + torch.stack([row * 2 for row in x.unbind(1)]).sum()

    return Case(Calls(body, layer=nn.Linear(4, 4)), (X,))


@kind
def prints_in_forward():
    def body(m, x):
        print("shape", x.shape)  # noqa: T201
        print("second line")  # noqa: T201
        return m.layer(x)

    return Case(Calls(body, layer=nn.Linear(4, 4)), (X,))


@kind
def gradients_taken_in_forward():
    def body(m, x):
        x = x.clone().requires_grad_()
        energy = m.layer(x).tanh().sum()
        return torch.autograd.grad(energy, x, create_graph=True)[0]

    return Case(Calls(body, layer=nn.Linear(4, 4)), (X,), compare=False)  # plain hooks run it without gradients


@kind
def backward_in_forward():
    def body(m, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            m.layer(x).tanh().sum().backward()
        return -x.grad

    return Case(Calls(body, layer=nn.Linear(4, 4)), (X,))


@kind
def a_hook_for_gradients():
    def body(m, x):
        out = m.layer(x)
        out.register_hook(lambda gradient: gradient * 2)
        out.retain_grad()
        return out

    return Case(Calls(body, layer=nn.Linear(4, 4)), (X,), compare=False)


@kind
def nested_tensors_in_forward():
    def body(m, x):
        parts = torch.nested.nested_tensor([x[0, :3], x[1]])
        return m.layer(parts).to_padded_tensor(0.0)

    return Case(Calls(body, layer=nn.Linear(4, 4)), (torch.rand(2, 5, 4),), compare=False)  # no one shape
