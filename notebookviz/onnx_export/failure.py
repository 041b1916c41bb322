"""In the export process: a long report becomes one sentence, the place, and the next step."""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from typing import Any

NEXT = "The full report says more; the structure view works all the same."
PACKED = (
    "the model holds quantised layers, whose packed weights torch.export can't read",
    "Export the model as it was before, and quantise the file, for instance with onnxruntime.quantization.",
)
DECIDES = (
    "forward decides on the values of a tensor, which a graph can't do",
    "Use torch.where or torch.cond for it.",
)


class Explained(Exception):  # noqa: N818  (it wraps the real error)
    """An error with the stage and the module it arose in.

    Args:
        error: The error itself.
        stage: ``"tracing"`` or ``"converting"``.
        place: Path and class of the module, or None.
    """

    def __init__(self, error: BaseException, stage: str, place: tuple[str, str] | None) -> None:
        self.error = error
        self.stage = stage
        self.place = place
        super().__init__(str(error))


def describe(error: BaseException) -> dict[str, Any]:
    """What the parent is told: ``what``, ``hint``, ``where``, ``report`` and ``source``."""
    report = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    place = None
    if isinstance(error, Explained):
        place, error = error.place, error.error
    cause, hint = _cause(error)
    where = ""
    if place is not None:
        path, kind = place
        where = path
        what = f"The export failed in {path} ({kind}): {cause}." if path else f"The export failed in {kind}: {cause}."
    else:
        what = f"The export failed: {cause}."
    return {"what": what, "hint": hint, "where": where, "report": report, "source": _source(error)}


def conversion_place(error: BaseException, program: Any) -> tuple[str, str] | None:  # noqa: ANN401
    """The module whose operator could not be converted, found by the operator's name in the program."""
    text = "\n".join(str(item) for item in _chain(error))
    operator = _operator(text)
    node_name = re.search(r"node %?(\w+)", text)
    for node in program.graph.nodes:
        named = node_name is not None and node.name == node_name[1]
        if node.op == "call_function" and (named or (operator and operator == _target(node.target))):
            stack = list((node.meta.get("nn_module_stack") or {}).values())
            if stack:
                path, kind = stack[-1][:2]
                kind = kind if isinstance(kind, str) else kind.__name__
                return path.removeprefix("L['self'].").removeprefix("L['self']"), kind.rpartition(".")[2]
    return None


def _target(target: Any) -> str:  # noqa: ANN401
    return str(target)


def _operator(text: str) -> str:
    found = re.search(r"No ONNX function found for <OpOverload\(op='([\w.:]+)', overload='(\w+)'\)>", text)
    return f"{found[1].replace('::', '.')}.{found[2]}" if found else ""


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _cause(error: BaseException) -> tuple[str, str]:
    chain = _chain(error)
    text = "\n".join(f"{type(item).__name__}: {item}" for item in chain)
    operator = _operator(text)
    if operator:
        return f"torch.onnx has no ONNX counterpart for the operator {operator}", (
            "Write it with other operators, or choose another opset."
        )
    if re.search(
        r"DataDependent|data-dependent|UserErrorType\.DYNAMIC_CONTROL_FLOW|Unsymbolized|unbacked", text, re.IGNORECASE
    ):
        return DECIDES
    if "PackedParamsBase" in text:
        return PACKED
    for item in chain:
        if type(item).__name__ == "CarryError":
            return (
                f"forward uses {item}, which can't be carried into the export process",
                "Keep it out of forward, or make it possible to pickle.",
            )
    if isinstance(error, SystemExit):
        return f"forward ended the program (SystemExit: {error})", "Take the call of exit() out of forward."
    last = chain[0] if type(chain[0]).__name__ not in ("ConversionError", "TorchExportError") else chain[-1]
    lines = [line.strip() for line in str(last).splitlines() if line.strip()]
    line = lines[0] if lines else "no reason was given"
    return f"{type(last).__name__}: {line[:300].rstrip('.')}", NEXT


def _source(error: BaseException) -> list[Any] | None:
    """File, line and function of the innermost frame that is the user's own."""
    libraries = tuple({sysconfig.get_path(key) for key in ("purelib", "platlib", "stdlib")})
    own = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    for item in _chain(error):
        for frame in reversed(traceback.extract_tb(item.__traceback__)):
            if not frame.filename.startswith((*libraries, own, "<frozen", "<string>")):
                return [frame.filename, frame.lineno, frame.name]
    return None
