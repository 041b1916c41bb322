"""Multiply-adds of dispatched operators, by family.

The convention is that of torchvision's published figures and of PyTorch's own counter
(``torch.utils.flop_counter``, which counts two operations for each multiply-add): convolutions, matrix products,
attention and what is made of them count; additions, activations, norms, pooling, interpolation, look-ups and copies
count 0.  An operator that multiplies matrices, or that PyTorch does not know, and has no formula here is unknown.
``docs/costs.md`` lists the formulas.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import torch

from notebookviz.capture import flow

Formula = Callable[[tuple[Any, ...], Any], int]
"""From an operator's arguments and its result to its multiply-adds."""

_LIBRARIES = frozenset({
    "aten", "prims", "prim", "torchvision", "quantized", "_quantized", "quantized_decomposed", "mkldnn", "mkl",
    "onednn", "sparse", "rngprims", "inductor", "c10d", "_c10d_functional", "_c10d_functional_autograd",
    "c10d_functional", "symm_mem", "fsdp", "profiler", "streams", "debugprims", "_dtensor", "export", "image",
})  # fmt: skip
"""Operators of PyTorch itself: those that the next pattern does not name count 0."""

_WORK = re.compile(
    r"mm(_|$)|matmul|linear|attention|conv(?!ert)|_(rnn|lstm|gru)|^_?(linalg|fft|stft|sparse)_|^_?[cp]dist|cholesky|solve"
    r"|^geqrf|^or[mg]qr|^_?lu_|matrix_exp|bilinear$"
)
_NO_WORK = re.compile(
    r"linalg_(vector_norm|cross|diagonal|check_errors|_powsum)|r?fftfreq|lu_unpack|upsample|_cell$|prepack|unpack|reorder|flatten_weight"
    r"|_quantize_weight|^_?sparse_(?!.*mm)|_conv(olution)?_mode"
)


def _size(tensor: Any) -> int:  # noqa: ANN401
    return int(math.prod(tensor.shape))


def _product(left: Any, right: Any) -> int:  # noqa: ANN401
    """A matrix (or a batch of them) by a matrix or a vector: each element of the left one meets each column."""
    return _size(left) * int(right.shape[-1] if right.dim() > 1 else 1)


def _linear(args: tuple[Any, ...], result: Any) -> int:  # noqa: ANN401
    """A layer whose weight is packed: each output is a sum over the input's features."""
    return _size(_first(result)) * int(args[0].shape[-1])


def _grouped(args: tuple[Any, ...], result: Any) -> int:  # noqa: ANN401
    """A product for each group of rows or columns (mixture of experts)."""
    left, right = args[:2]
    if left.dim() == 3 and right.dim() == 2:  # noqa: PLR2004 (the groups are columns of the right matrix)
        return _size(_first(result)) * int(left.shape[-1])
    return _product(left, right)


def _convolved(tensor: Any, weight: Any, result: Any, *, transposed: bool) -> int:  # noqa: ANN401
    """Each output element (transposed: each input element) meets one kernel; groups narrow the kernel itself."""
    return _size(tensor if transposed else _first(result)) * int(math.prod(weight.shape[1:]))


def _convolution(args: tuple[Any, ...], result: Any) -> int:  # noqa: ANN401
    return _convolved(args[0], args[1], result, transposed=bool(args[6]))


def _convolution_backward(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    """The gradients of input and weight cost as much as the convolution each."""
    gradient, tensor, weight = args[:3]
    return _convolved(tensor, weight, gradient, transposed=bool(args[7])) * int(sum(args[10][:2]))


def _quantised_convolution(args: tuple[Any, ...], result: Any) -> int:  # noqa: ANN401
    packed: Any = next(item for item in args if isinstance(item, torch.ScriptObject))
    with torch.utils._python_dispatch._disable_current_modes():  # noqa: SLF001
        weight = packed.unpack()[0]
        transposed = bool(packed.transpose())
    return _convolved(args[0], weight, result, transposed=transposed)


def _attention(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    """Query by key and weights by value, for each head of the query (keys may have fewer heads); masks save nothing."""
    query, key, value = args[:3]
    return _size(query) // int(query.shape[-1]) * int(key.shape[-2]) * int(query.shape[-1] + value.shape[-1])


def _attention_heads_last(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    """The same where sizes are batch, length, heads, features."""
    query, key, value = args[:3]
    return _size(query) // int(query.shape[-1]) * int(key.shape[-3]) * int(query.shape[-1] + value.shape[-1])


def _native_attention(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    """``MultiheadAttention`` in one operator: two projections and the attention between them."""
    query, key, width, projections = args[0], args[1], int(args[3]), (args[5], args[7])
    rows = _size(query) // width
    return rows * (sum(map(_size, projections)) + 2 * width * int(key.shape[1]))


def _encoder_layer(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    """``TransformerEncoderLayer`` in one operator: attention as above, then two linear layers."""
    source, width = args[0], int(args[1])
    rows = _size(source) // width
    weights = (args[3], args[5], args[14], args[16])
    return rows * (sum(map(_size, weights)) + 2 * width * int(source.shape[1]))


def _recurrent_layer(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    """One direction of one LSTM layer, input (steps, batch, features): both matrices at each step."""
    return int(math.prod(args[0].shape[:-1])) * (_size(args[1]) + _size(args[2]))


def _recurrent_all(args: tuple[Any, ...], _result: Any, at: int = 1) -> int:  # noqa: ANN401
    """All layers at once: each matrix (the projection's too) at each step."""
    return int(math.prod(args[0].shape[:-1])) * sum(_size(weight) for weight in args[at] if weight.dim() > 1)


def _quantised_recurrent(gates: int) -> Formula:
    """All layers and directions of a layer whose weights are packed; the state tells the width."""

    def formula(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
        if (
            isinstance(args[1], torch.Tensor) and not args[1].is_floating_point()
        ):  # the batch sizes of a packed sequence
            args = (args[0], *args[2:])
        tensor, state = args[0], _first(args[1])
        layers, ways = int(args[4]), 2 if args[7] else 1
        taken, width = int(tensor.shape[-1]), int(state.shape[-1])
        weights = sum((taken if at == 0 else ways * width) + width for at in range(layers)) * ways * gates * width
        return int(math.prod(tensor.shape[:-1])) * weights

    return formula


def _quantised_cell(gates: int) -> Formula:
    def formula(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
        state = _first(args[1])
        return _size(state) * gates * (int(args[0].shape[-1]) + int(state.shape[-1]))

    return formula


def _trilinear(args: tuple[Any, ...], _result: Any) -> int:  # noqa: ANN401
    """``F.bilinear``: one for each element of left × weight × right before it is summed."""
    shapes = []
    for tensor, expanded in zip(args[:3], args[3:6], strict=True):
        sizes = list(tensor.shape)
        for at in sorted(expanded):
            sizes.insert(at, 1)
        shapes.append(sizes)
    return math.prod(max(sizes) for sizes in zip(*shapes, strict=True))


def _first(result: Any) -> Any:  # noqa: ANN401
    return result if isinstance(result, torch.Tensor) else flow.tensors(result)[0]


def _named(names: str, formula: Formula) -> dict[str, Formula]:
    """One formula for several operators; a name without a namespace is of ``aten``."""
    return {name if "::" in name else f"aten::{name}": formula for name in names.split()}


FORMULAS: dict[str, Formula] = {
    **_named("convolution _convolution convolution_overrideable", _convolution),
    **_named(
        "cudnn_convolution cudnn_convolution_relu cudnn_convolution_add_relu miopen_convolution mkldnn_convolution "
        "miopen_convolution_relu miopen_convolution_add_relu miopen_depthwise_convolution _slow_conv2d_forward "
        "slow_conv3d_forward slow_conv_dilated2d slow_conv_dilated3d _conv_depthwise2d conv_depthwise3d "
        "torchvision::deform_conv2d",
        lambda args, result: _convolved(args[0], args[1], result, transposed=False),
    ),
    **_named(
        "cudnn_convolution_transpose miopen_convolution_transpose slow_conv_transpose2d slow_conv_transpose3d",
        lambda args, result: _convolved(args[0], args[1], result, transposed=True),
    ),
    **_named("conv_tbc", lambda args, result: _size(result) * math.prod(args[1].shape[:2])),
    **_named("convolution_backward", _convolution_backward),
    **_named("mm bmm mv _int_mm _scaled_mm _scaled_mm_v2 quantized::matmul", lambda args, _: _product(*args[:2])),
    **_named("dot vdot", lambda args, _: _size(args[0])),
    **_named(
        "addmm addmm_ addmv addmv_ baddbmm baddbmm_ addbmm addbmm_ _addmm_activation",
        lambda args, _: _product(*args[1:3]),
    ),
    **_named("_grouped_mm _scaled_grouped_mm _scaled_grouped_mm_v2 transformers::grouped_mm_fallback", _grouped),
    **_named(
        "_weight_int8pack_mm _weight_int4pack_mm _weight_int4pack_mm_for_cpu _weight_int4pack_mm_with_scales_and_zeros "
        "_dyn_quant_matmul_4bit fbgemm_linear_int8_weight fbgemm_linear_int8_weight_fp32_activation mkl::_mkl_linear "
        "fbgemm_linear_fp16_weight fbgemm_linear_fp16_weight_fp32_activation mkldnn::_linear_pointwise "
        "onednn::qlinear_pointwise quantized::linear_dynamic_fp16_unpacked_weight "
        + " ".join(
            f"quantized::linear{kind}"
            for kind in ("", "_relu", "_leaky_relu", "_tanh", "_dynamic", "_relu_dynamic", "_dynamic_fp16")
        )
        + " quantized::linear_relu_dynamic_fp16",
        _linear,
    ),
    **_named(
        " ".join(f"quantized::conv{size}d{kind}" for size in (1, 2, 3) for kind in ("", "_relu", "_dynamic"))
        + " quantized::conv2d_add quantized::conv2d_add_relu "
        + " ".join(f"quantized::conv_transpose{size}d{kind}" for size in (1, 2, 3) for kind in ("", "_dynamic")),
        _quantised_convolution,
    ),
    **_named("_trilinear", _trilinear),
    **_named(
        "_scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu "
        "_scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention "
        "_scaled_dot_product_fused_attention_overrideable _scaled_dot_product_attention_math "
        "_scaled_dot_product_attention_math_for_mps _cudnn_attention_forward higher_order::flex_attention",
        _attention,
    ),
    **_named("_flash_attention_forward _efficient_attention_forward", _attention_heads_last),
    **_named("_native_multi_head_attention", _native_attention),
    **_named("_transformer_encoder_layer_fwd", _encoder_layer),
    **_named("mkldnn_rnn_layer", _recurrent_layer),
    **_named("_cudnn_rnn miopen_rnn", _recurrent_all),
    **_named("_lstm_mps", lambda args, result: _recurrent_all(args, result, 2)),
    **_named("quantized_lstm", _quantised_recurrent(4)),
    **_named("quantized_gru", _quantised_recurrent(3)),
    **_named("quantized::quantized_lstm_cell_dynamic", _quantised_cell(4)),
    **_named("quantized::quantized_gru_cell_dynamic", _quantised_cell(3)),
    **_named(
        "quantized::quantized_rnn_tanh_cell_dynamic quantized::quantized_rnn_relu_cell_dynamic", _quantised_cell(1)
    ),
}


def unknown(name: str) -> bool:
    """Whether an operator without a formula may multiply and add.

    Example:
        >>> [unknown(name) for name in ("aten::relu", "aten::_linalg_svd", "mine::attend", "aten::lgamma")]
        [False, True, True, False]
    """
    library, _, plain = name.partition("::")
    if name in FORMULAS:
        return False
    if library not in _LIBRARIES:
        return True
    return bool(_WORK.search(plain)) and not _NO_WORK.search(plain)
