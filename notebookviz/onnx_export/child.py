"""The export process: reads one task from its parent, does it, answers.

Everything it unpickles comes from the parent that started it, through the pipe that the parent made for it; it opens
no socket and reads no file that the task does not name.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, BinaryIO

from notebookviz.onnx_export import wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = tuple[dict[str, Any], list[bytes]]
    Enter = Callable[[str], None]

NICE = 5


def main() -> None:
    """Do the one task that arrives on standard input."""
    results = _own_pipe()
    _step_back()
    received = wire.read_message(sys.stdin.buffer)
    if received is None:
        return
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    task, blobs = received

    def enter(stage: str) -> None:
        wire.write_message(results, {"kind": "stage", "stage": stage})

    answer: Answer
    try:
        answer = do(task, blobs, enter)
        wire.write_message(results, {"kind": "done", **answer[0]}, answer[1])
    except BaseException as error:  # noqa: BLE001  (SystemExit in forward too: the parent is told of anything)
        from notebookviz.onnx_export.failure import describe

        wire.write_message(results, {"kind": "failed", **describe(error)})
    results.flush()
    os._exit(0)


def do(task: dict[str, Any], blobs: list[bytes], enter: Enter) -> Answer:
    """Do one task; imports no more than it needs.

    Args:
        task: What to do; ``task["task"]`` names it.
        blobs: Bytes that go with it.
        enter: Told of each stage.
    """
    name = task["task"]
    if name == "check":
        from notebookviz.onnx_export.checking import check_file

        enter("checking")
        check_file(task["path"])
        return {}, []
    if name == "regroup":
        from onnx import ModelProto

        from notebookviz.onnx_export.functions import regroup

        enter("grouping")
        model, notes = regroup(ModelProto.FromString(blobs[0]))
        return {"notes": notes}, [model.SerializeToString()]
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(getattr(torch, task["default_dtype"]))
    with _quiet(), torch.no_grad():
        if name == "export":
            from notebookviz.onnx_export.tracing import export

            return export(task, blobs, enter)
        if name == "torchscript":
            from notebookviz.onnx_export.torchscript import export as export_script

            return export_script(task, blobs, enter)
        from notebookviz.onnx_export.comparing import compare

        return compare(task, blobs, enter)


def _own_pipe() -> BinaryIO:
    """Keep standard output for answers; what the model prints goes to standard error."""
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return pipe


def _step_back() -> None:
    """Own process group (to be ended with all its children), low priority."""
    if hasattr(os, "setpgid"):
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(NICE)


def _leave_with_parent() -> None:
    with contextlib.suppress(OSError, ValueError):
        sys.stdin.buffer.read()
    os._exit(1)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
