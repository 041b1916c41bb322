"""Runs each case in a child process, so that a crash, a hang or a leak ends with it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.coverage.cases import Case, Excluded
from benchmarks.coverage.check import Result, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PAUSE = 0.05
LONGEST = 300


@dataclass
class Child:
    """One case under way."""

    case: Case
    pid: int
    answer: int
    began: float


@dataclass(frozen=True)
class Limits:
    """For one model: seconds and gigabytes, and whether it is run for real."""

    seconds: float
    gigabytes: float
    real: bool = True


def run(cases: Iterable[Case], jobs: int, limits: Limits) -> Iterator[dict[str, Any]]:
    """Yield the result of each case as it ends, as a dictionary."""
    prepare()
    waiting = list(cases)[::-1]
    running: list[Child] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(start(waiting.pop(), limits))
        for child in list(running):
            said = ended(child, limits)
            if said is not None:
                running.remove(child)
                took = round(time.monotonic() - child.began, 1)
                yield {"group": child.case.group, "name": child.case.name, **said, "total_seconds": took}
        time.sleep(PAUSE)


def prepare() -> None:
    """Load once what every child needs; one thread each, since they run side by side."""
    import timm
    import torch
    import torchvision
    import transformers

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    with suppress(ImportError):  # only the models of its own group need it
        import diffusers

        diffusers.logging.set_verbosity_error()
    assert timm  # noqa: S101 (loaded for the children)
    assert torchvision  # noqa: S101


def start(case: Case, limits: Limits) -> Child:
    """Fork a child that writes its result into a pipe."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        os.close(writer)
        os.set_blocking(reader, False)
        return Child(case, pid, reader, time.monotonic())
    os.close(reader)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    tell = partial(_tell, writer)
    tell(work(case, real=limits.real, shown=tell))
    os._exit(0)


def _tell(writer: int, result: Result) -> None:
    """Write what is known so far as one line; a later line stands in its place."""
    result.problem = " ".join(result.problem.split())[:LONGEST]
    os.write(writer, json.dumps(asdict(result)).encode() + b"\n")


def work(case: Case, *, real: bool, shown: Callable[[Result], None]) -> Result:
    """Build and check one model; any exception is a result."""
    try:
        return check(case.subject(), real=real, shown=shown)
    except Excluded as reason:
        return Result("excluded", problem=str(reason))
    except BaseException as error:  # noqa: BLE001 (a result too)
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return Result("no shapes", problem=f"raised {type(error).__name__} at {where}: {error}")


def ended(child: Child, limits: Limits) -> dict[str, Any] | None:
    """The child's result, or what was wrong with it; None while it works."""
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if pid:
        code = os.waitstatus_to_exitcode(status)
        return said_last(child, f"the process ended with {code}" if code else "")
    problem = ""
    if time.monotonic() - child.began > limits.seconds:
        problem = f"took more than {limits.seconds:g} s"
    elif resident(child.pid) > limits.gigabytes:
        problem = f"took more than {limits.gigabytes:g} GB"
    if not problem:
        return None
    os.kill(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)
    return said_last(child, problem)


def said_last(child: Child, problem: str) -> dict[str, Any]:
    """What the child wrote last, with what ended it."""
    with os.fdopen(child.answer, "rb") as pipe:
        said = pipe.read().splitlines()
    found: dict[str, Any] = json.loads(said[-1]) if said else asdict(Result("no shapes"))
    return {**found, "problem": problem} if problem else found


def resident(pid: int) -> float:
    """Gigabytes of memory that a process holds; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e9
