"""What to try where sizes don't fit: of layers, of what is joined, multiplied or added."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from notebookviz.capture import flow
from notebookviz.capture.case import Case, operands

if TYPE_CHECKING:
    from collections.abc import Callable

_SAME_SIZES = frozenset({"add", "sub", "mul", "div", "truediv", "radd", "rsub", "rmul", "rtruediv", "pow", "where"})
_NORMS = {"batch_norm": "num_features", "instance_norm": "num_features", "group_norm": "num_channels"}


def _unbatched(case: Case) -> str:
    """The batch dimension is missing from an input that a convolution took for one picture."""
    for entry in case.draft.entries[: case.entry.index + 1]:
        kind = type(entry.module).__name__
        match = re.match(r"(?:Lazy)?(?:Conv|BatchNorm|ConvTranspose)([123])d$", kind)
        shapes = [kinds[0].shape for kinds in operands(entry, case.draft).values()] if match else []
        if match and shapes:
            if len(shapes[0]) != int(match[1]) + 1:
                return ""
            return (
                f"{kind} got {flow.shape_text(shapes[0])}, which has no batch dimension: pass x.unsqueeze(0), "
                f"which is 1×{flow.shape_text(shapes[0])}."
            )
    return ""


def _linear(case: Case) -> str:
    given, weight = case.shape("input"), case.shape("weight")
    if case.name != "linear" or not given or weight is None or given[-1] == weight[-1]:
        return ""
    wanted = weight[-1]
    took = f"{case.owner()} takes {wanted} features and got {given[-1]}"
    if wanted in given[:-1] and len(given) > 2:  # noqa: PLR2004
        at = len(given) - 2 - given[:-1][::-1].index(wanted)
        return f"{took}; dimension {at} has {wanted}: put it last with x.transpose({at}, {len(given) - 1})."
    if len(given) > 2 and math.prod(given[1:]) == wanted:  # noqa: PLR2004
        return f"{took}, of {flow.shape_text(given)}: flatten before it with x.flatten(1)."
    return f"{took}: set in_features={given[-1]} there, or make the layer before it return {wanted}."


def _convolution(case: Case) -> str:
    given, weight = case.shape("input"), case.shape("weight")
    if not case.name.startswith("conv") or given is None or weight is None or len(given) < len(weight) - 1:
        return ""
    at = len(given) - len(weight) + 1
    groups = dict(case.entry.attributes).get("groups", "1")
    turned = "transpose" in case.name
    wanted = weight[0] if turned else weight[1] * (int(groups) if groups.isdigit() else 1)
    if given[at] == wanted:
        return ""
    took = f"{case.owner()} takes {wanted} channels and got {given[at]}"
    if given[-1] == wanted and len(given) == len(weight):
        order = (0, len(given) - 1, *range(1, len(given) - 1))
        return f"{took}; the last dimension has {wanted}: put the channels first with x.permute{order}."
    return f"{took}: set in_channels={given[at]} there, or make the layer before it return {wanted}."


def _norm(case: Case) -> str:
    given, weight = case.shape("input"), case.shape("weight") or case.shape("running_mean")
    setting = _NORMS.get(case.name)
    if setting and given and len(given) > 1 and weight and given[1] != weight[0]:
        return f"{case.owner()} takes {weight[0]} channels and got {given[1]}: set {setting}={given[1]} there."
    if case.name in ("layer_norm", "rms_norm") and given and weight and given[-len(weight) :] != weight:
        wanted, got = flow.shape_text(weight), flow.shape_text(given[-len(weight) :])
        return f"{case.owner()} takes {wanted} features last and got {got}: set normalized_shape={got} there."
    return ""


def _recurrent(case: Case) -> str:
    module = case.module()
    wanted = getattr(module, "input_size", getattr(module, "embed_dim", None))
    call = next((entry for entry in reversed(case.draft.entries) if entry.module is module), None)
    if not isinstance(wanted, int) or call is None or module is None:
        return ""
    given = next((kinds[0].shape for kinds in operands(call, case.draft).values()), ())
    if not given or given[-1] == wanted:
        return ""
    took = f"{case.owner()} takes {wanted} features last and got {flow.shape_text(given)}"
    if wanted in given[:-1]:
        at = given.index(wanted)
        return f"{took}; dimension {at} has {wanted}: put it last with x.transpose({at}, {len(given) - 1})."
    setting = "input_size" if hasattr(module, "input_size") else "embed_dim"
    return f"{took}: set {setting}={given[-1]} there, or make the layer before it return {wanted}."


def _cat(case: Case) -> str:
    if case.name not in ("cat", "concat", "concatenate", "stack"):
        return ""
    shapes = [kind.shape for kinds in case.operands.values() for kind in kinds]
    text = " and ".join(flow.shape_text(shape) for shape in shapes[:4])
    if case.name == "stack":
        return f"torch.stack got {text}: all shapes must be equal."
    dim = int(dict(case.entry.attributes).get("dim", "0"))
    ranks = {len(shape) for shape in shapes}
    if len(ranks) > 1:
        return f"torch.cat got {text}: all must have the same number of dimensions."
    rank = ranks.pop() if ranks else 0
    wrong = [at for at in range(rank) if at != dim % rank and len({shape[at] for shape in shapes}) > 1]
    if not wrong:
        return ""
    sizes = " and ".join(str(shape[wrong[0]]) for shape in shapes[:4])
    return (
        f"torch.cat along dimension {dim} got {text}: all other dimensions must be equal, "
        f"and dimension {wrong[0]} is {sizes}."
    )


def _product(case: Case) -> str:
    shapes = [kind.shape for kinds in case.operands.values() for kind in kinds]
    if case.name not in ("matmul", "bmm", "mm") or len(shapes) < 2:  # noqa: PLR2004
        return ""
    left, right = shapes[:2]
    if not left or len(right) < 2 or left[-1] == right[-2]:  # noqa: PLR2004
        return ""
    turn = ": turn the second with .transpose(-2, -1)." if left[-1] == right[-1] else "."
    return (
        f"{case.called()} got {flow.shape_text(left)} and {flow.shape_text(right)}: the last dimension of the first "
        f"({left[-1]}) must equal the second last of the second ({right[-2]}){turn}"
    )


def _view(case: Case) -> str:
    given = case.shape("input")
    found = re.search(r"shape '\[([-\d, ]+)\]' is invalid for input of size (\d+)", case.said)
    if found is None or given is None:
        return ""
    wanted = math.prod(int(size) for size in found[1].split(",") if int(size) > 0)
    return (
        f"{case.entry.type} got {flow.shape_text(given)}, which is {int(found[2]):,} numbers; ({found[1]}) wants "
        f"{'a multiple of ' if '-1' in found[1] else ''}{wanted:,}: x.flatten(1) keeps the batch and joins the rest."
    )


def _elementwise(case: Case) -> str:
    shapes = [kind.shape for kinds in case.operands.values() for kind in kinds]
    if case.name not in _SAME_SIZES or len(shapes) < 2 or "must match" not in case.said:  # noqa: PLR2004
        return ""
    return (
        f"{case.called()} got {flow.shape_text(shapes[0])} and {flow.shape_text(shapes[1])}: from the right, each pair "
        f"of sizes must be equal or contain a 1."
    )


def _dimension(case: Case) -> str:
    given = case.shape("input")
    if not case.said.startswith("Dimension out of range") or not given:
        return ""
    count = len(given)
    got = f"{case.called()} got {flow.shape_text(given)}"
    return f"{got}: its dimensions are 0 to {count - 1}, or -1 to -{count} from the end."


RULES: tuple[Callable[[Case], str], ...] = (
    _unbatched,
    _linear,
    _convolution,
    _norm,
    _recurrent,
    _cat,
    _product,
    _view,
    _elementwise,
    _dimension,
)
