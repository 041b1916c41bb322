"""The next step to try when a forward pass fails, where the mistake is a classic one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from notebookviz.capture import flow, naming, operators

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from notebookviz.capture.draft import Draft, Entry
    from notebookviz.capture.skeleton import Skeleton
    from notebookviz.graph.records import TensorType

Shape = tuple[int, ...]

_SAME_SIZES = frozenset({"add", "sub", "mul", "div", "truediv", "radd", "rsub", "rmul", "rtruediv", "pow", "where"})
_NORMS = {"batch_norm": "num_features", "instance_norm": "num_features", "group_norm": "num_channels"}


@dataclass
class _Case:
    """What is known of a failure."""

    entry: Entry
    said: str
    draft: Draft
    skeleton: Skeleton
    name: str = ""
    operands: dict[str, list[TensorType]] = field(default_factory=dict)

    def shape(self, name: str) -> Shape | None:
        """Shape of the first tensor of an argument."""
        found = self.operands.get(name)
        return found[0].shape if found else None

    def module(self) -> nn.Module | None:
        """The innermost module call around the failure."""
        at = self.entry.index
        while at >= 0:
            found = self.draft.entries[at].module
            if found is not None:
                return found
            at = self.draft.entries[at].parent
        return None

    def owner(self) -> str:
        """Class and path of that module: ``Linear fc``."""
        module = self.module()
        if module is None:
            return "The operator"
        path = next((path for path, child in naming.modules(self.skeleton.model) if child is module), "")
        return f"{naming.clean(type(module).__name__)} {path}".rstrip()


def hint(entry: Entry, error: BaseException, draft: Draft, skeleton: Skeleton) -> str:
    """One or two sentences on what to try, or ``""`` where nothing useful can be said.

    Args:
        entry: The operator or module call that failed.
        error: What it raised.
        draft: What the pass left behind.
        skeleton: The copy that ran.

    Returns:
        For instance that ``in_features`` should be 64.
    """
    if isinstance(error, NotImplementedError) and entry.module is not None:
        return f"Define forward() in {type(entry.module).__name__}."
    case = _Case(entry, str(error), draft, skeleton)
    if entry.operator is not None:
        case.name = entry.operator.name.strip("_")
        case.operands = operands(entry, draft)
    return next((found for rule in _RULES if (found := rule(case))), "")


def operands(entry: Entry, draft: Draft) -> dict[str, list[TensorType]]:
    """The tensors that met an operator or a module call, by the argument's name."""
    return {
        name: [draft.values[value] for value in values] + [draft.stored[index].type for index in stored]
        for name, values, stored in entry.inputs
    }


def _stray(case: _Case) -> str:
    stray = case.draft.stray
    if stray is None:
        return ""
    place = ", ".join(map(str, stray.place))
    where = f" at [{place}]" if stray.place else ""
    fix = {
        "F.embedding": f"set num_embeddings={stray.value + 1} there, or correct the input",
        "F.cross_entropy": f"make the model return {stray.value + 1} scores, or count the classes from 0",
        "F.one_hot": f"pass num_classes={stray.value + 1}, or correct the input",
    }.get(case.entry.type, "correct the index")
    if stray.value < 0:
        fix = "an index must not be negative here: correct the input"
    return (
        f"{case.owner()}: {stray.table} takes 0 to {stray.size - 1:,}, and the index{where} is {stray.value:,}: {fix}."
    )


def _dtypes(case: _Case) -> str:
    if not any(part in case.said for part in ("dtype", "scalar type", "type (")):
        return ""
    kinds = {name: kinds[0].dtype for name, kinds in case.operands.items()}
    given, weight = kinds.get("input"), kinds.get("weight", kinds.get("mat2", kinds.get("other")))
    if given is None or weight is None or given == weight:
        return ""
    return f"{case.owner()} got {given} where its weight is {weight}: convert what goes in with .to(torch.{weight})."


def _devices(case: _Case) -> str:
    devices = {kind.device for kinds in case.operands.values() for kind in kinds}
    if len(devices) < 2 or "device" not in case.said:  # noqa: PLR2004
        return ""
    parts = ", ".join(f"{name} on {kinds[0].device}" for name, kinds in case.operands.items())
    return f"{_called(case)} got {parts}: move them together with .to(device), and make new tensors there (device=)."


def _unbatched(case: _Case) -> str:
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


def _linear(case: _Case) -> str:
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


def _convolution(case: _Case) -> str:
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


def _norm(case: _Case) -> str:
    given, weight = case.shape("input"), case.shape("weight") or case.shape("running_mean")
    setting = _NORMS.get(case.name)
    if setting and given and len(given) > 1 and weight and given[1] != weight[0]:
        return f"{case.owner()} takes {weight[0]} channels and got {given[1]}: set {setting}={given[1]} there."
    if case.name in ("layer_norm", "rms_norm") and given and weight and given[-len(weight) :] != weight:
        wanted, got = flow.shape_text(weight), flow.shape_text(given[-len(weight) :])
        return f"{case.owner()} takes {wanted} features last and got {got}: set normalized_shape={got} there."
    return ""


def _recurrent(case: _Case) -> str:
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


def _cat(case: _Case) -> str:
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


def _product(case: _Case) -> str:
    shapes = [kind.shape for kinds in case.operands.values() for kind in kinds]
    if case.name not in ("matmul", "bmm", "mm") or len(shapes) < 2:  # noqa: PLR2004
        return ""
    left, right = shapes[:2]
    if not left or len(right) < 2 or left[-1] == right[-2]:  # noqa: PLR2004
        return ""
    turn = ": turn the second with .transpose(-2, -1)." if left[-1] == right[-1] else "."
    return (
        f"{_called(case)} got {flow.shape_text(left)} and {flow.shape_text(right)}: the last dimension of the first "
        f"({left[-1]}) must equal the second last of the second ({right[-2]}){turn}"
    )


def _view(case: _Case) -> str:
    given = case.shape("input")
    found = re.search(r"shape '\[([-\d, ]+)\]' is invalid for input of size (\d+)", case.said)
    if found is None or given is None:
        return ""
    wanted = math.prod(int(size) for size in found[1].split(",") if int(size) > 0)
    return (
        f"{case.entry.type} got {flow.shape_text(given)}, which is {int(found[2]):,} numbers; ({found[1]}) wants "
        f"{'a multiple of ' if '-1' in found[1] else ''}{wanted:,}: x.flatten(1) keeps the batch and joins the rest."
    )


def _elementwise(case: _Case) -> str:
    shapes = [kind.shape for kinds in case.operands.values() for kind in kinds]
    if case.name not in _SAME_SIZES or len(shapes) < 2 or "must match" not in case.said:  # noqa: PLR2004
        return ""
    return (
        f"{_called(case)} got {flow.shape_text(shapes[0])} and {flow.shape_text(shapes[1])}: from the right, each pair "
        f"of sizes must be equal or contain a 1."
    )


def _otherwise(case: _Case) -> str:
    parts = [flow.shape_text(kind.shape) for kinds in case.operands.values() for kind in kinds]
    return f"{_called(case)} got {', '.join(parts[:8])}." if parts else ""


def _called(case: _Case) -> str:
    """The operator as a sentence begins with it."""
    return case.entry.type if case.entry.type[:1].isalpha() else f"The operator {operators.label(case.entry.type)}"


_RULES: tuple[Callable[[_Case], str], ...] = (
    _stray,
    _devices,
    _dtypes,
    _unbatched,
    _linear,
    _convolution,
    _norm,
    _recurrent,
    _cat,
    _product,
    _view,
    _elementwise,
    _otherwise,
)
