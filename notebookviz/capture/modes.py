"""The two places where PyTorch tells of what it runs: user-level functions, and dispatched operators."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from notebookviz.capture import cost, flow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from notebookviz.capture.trace import Tracer


_DEVICE = torch.ops.prim.device.default


class Functions(TorchFunctionMode):
    """Tells the tracer of each user-level function."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self.tracer = tracer

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Pass the call on to the tracer."""
        return self.tracer.function(func, args, kwargs or {})


class Dispatch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Tells the tracer of each dispatched operator; one that is made of others (in inference mode) is taken apart."""

    supports_higher_order_operators = True

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tracer = tracer

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled during a pass (``uncompiled``), so no operator need be guarded from it."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Pass the call on to the tracer."""
        if func is _DEVICE and isinstance(args[0], FakeTensor):
            return args[0].device  # asked several times for each operator, and none itself
        kwargs = kwargs or {}
        rule = cost.rule(func)
        if rule.composite and not any(item.is_nested for item in flow.tensors(args)):  # those have kernels of their own
            with self, torch._C.DisableTorchFunction():  # noqa: SLF001 (the parts are not the user's calls)
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        return self.tracer.dispatched(func, rule, args, kwargs)


def uncompiled() -> AbstractContextManager[Any]:
    """Functions that ``torch.compile`` has wrapped run as they were written (``fullgraph=True`` refuses modes)."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    stance: AbstractContextManager[Any] = torch.compiler.set_stance("force_eager")
    return stance


@contextmanager
def unseen() -> Iterator[None]:
    """What runs inside is not the model's doing: no mode sees it, and it computes for real."""
    with torch._C.DisableTorchFunction(), _disable_current_modes():  # noqa: SLF001
        yield
