"""Models inside something else: compiled, scripted, adapted, quantised, spread out, hooked."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.capture.awkward.case import Calls, Case, Kinds, quiet, register

KINDS: Kinds = {}
kind = register(KINDS)


def perceptron():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


X = torch.rand(3, 4)


@kind
def compiled():
    model = perceptron()
    return Case(torch.compile(model, backend="eager"), (X,), real=model)


@kind
def compiled_in_place():
    model = perceptron()
    real = copy.deepcopy(model)
    model.compile(backend="eager")
    return Case(model, (X,), real=real)


@kind
def compiled_child():
    model = nn.Sequential(nn.Linear(4, 4), perceptron())
    real = copy.deepcopy(model)
    model[1] = torch.compile(model[1], backend="eager")
    return Case(model, (X,), real=real)


@kind
def scripted():
    with quiet():
        return Case(torch.jit.script(perceptron()), (X,), compare=False)


@kind
def traced():
    with quiet():
        return Case(torch.jit.trace(perceptron(), X), (X,), compare=False)


@kind
def scripted_child():
    with quiet():
        inner = torch.jit.script(perceptron())
    return Case(nn.Sequential(nn.Linear(4, 4), inner), (X,), compare=False)


@kind
def fx_graph_module():
    return Case(torch.fx.symbolic_trace(perceptron()), (X,))


@kind
def exported_program():
    return Case(torch.export.export(perceptron().eval(), (X,)).module(), (X,), compare=False)


@kind
def lora():
    import peft

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.query = nn.Linear(4, 4)
            self.out = nn.Linear(4, 2)

        def forward(self, x):
            return self.out(self.query(x))

    config = peft.LoraConfig(r=2, target_modules=["query"], init_lora_weights=False)
    return Case(peft.get_peft_model(Small(), config), (X,))


@kind
def dynamically_quantised():
    with quiet():
        model = torch.ao.quantization.quantize_dynamic(perceptron().eval(), {nn.Linear}, dtype=torch.qint8)
    return Case(model, (X,))


@kind
def dynamically_quantised_lstm():
    model = Calls(lambda m, x: m.head(m.lstm(x)[0]), lstm=nn.LSTM(4, 8, batch_first=True), head=nn.Linear(8, 2)).eval()
    with quiet():
        model = torch.ao.quantization.quantize_dynamic(model, {nn.Linear, nn.LSTM}, dtype=torch.qint8)
    return Case(model, (torch.rand(2, 3, 4),))


@kind
def statically_quantised():
    from torch.ao import quantization

    model = nn.Sequential(
        quantization.QuantStub(), nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5),
        quantization.DeQuantStub(),
    ).eval()  # fmt: skip
    with quiet():
        torch.backends.quantized.engine = "fbgemm"
        model.qconfig = quantization.get_default_qconfig("fbgemm")
        quantization.prepare(model, inplace=True)
        model(torch.rand(1, 3, 8, 8))
        quantization.convert(model, inplace=True)
    return Case(model, (torch.rand(1, 3, 8, 8),))


@kind
def data_parallel():
    model = perceptron()
    return Case(nn.DataParallel(model), (X,))


@kind
def autocast_inside():
    def body(m, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return m.inner(x)

    return Case(Calls(body, inner=perceptron()), (X,))


@kind
def checkpointed():
    return Case(Calls(lambda m, x: checkpoint(m.inner, x, use_reentrant=False), inner=perceptron()), (X,))


@kind
def checkpointed_the_old_way():
    return Case(Calls(lambda m, x: checkpoint(m.inner, x, use_reentrant=True), inner=perceptron()), (X,))


@kind
def accelerate_hook():
    from accelerate.hooks import AlignDevicesHook, add_hook_to_module

    model = perceptron()
    add_hook_to_module(model[0], AlignDevicesHook(execution_device="cpu", io_same_device=True))
    return Case(model, (X,))


@kind
def offloaded_by_accelerate():
    from accelerate import cpu_offload

    model = perceptron()
    cpu_offload(model, execution_device=torch.device("cpu"))
    return Case(model, (X,))


@kind
def user_hook_that_reads_values():
    model = perceptron()
    seen = []
    model[0].register_forward_hook(lambda _m, _a, out: seen.append(float(out.sum())))
    model[1].register_forward_pre_hook(lambda _m, a: seen.append(a[0].detach().numpy()))
    model.register_full_backward_hook(lambda *_: None)
    return Case(model, (X,))


@kind
def functional_call():
    def body(m, x):
        doubled = {name: value * 2 for name, value in m.inner.named_parameters()}
        return torch.func.functional_call(m.inner, doubled, (x,))

    return Case(Calls(body, inner=perceptron()), (X,))


@kind
def vmapped():
    return Case(Calls(lambda m, x: torch.func.vmap(m.inner)(x), inner=nn.Linear(4, 2)), (X,), compare=False)


@kind
def gradient_by_func():
    def body(m, x):
        return torch.func.grad(lambda y: m.inner(y).sum())(x)

    return Case(Calls(body, inner=perceptron()), (X,), compare=False)


@kind
def gradient_inside():
    def body(m, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(m.inner(x).sum(), x, create_graph=True)[0]

    return Case(Calls(body, inner=perceptron()), (X,))
