"""Runs a tutorial from top to bottom, in a kernel of its own and in an empty folder, where no network is reached."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from tests.docs.shell import NO_NETWORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
WIDGET = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Executed:
    """A notebook that ran; ``folder`` holds the files that it wrote."""

    cells: list[NotebookNode]
    folder: Path

    def printed(self, within: str = "") -> str:
        """What the cells whose code has ``within`` printed."""
        found = [cell for cell in self.cells if cell.cell_type == "code" and within in cell.source]
        assert found, f"No cell has {within!r}."
        outputs = [output for cell in found for output in cell.outputs]
        return "".join(output.text for output in outputs if output.get("name") == "stdout")

    def displayed(self, kind: str) -> int:
        """How many outputs have data of this media type."""
        return sum(
            kind in output.get("data", {}) for cell in self.cells if cell.cell_type == "code" for output in cell.outputs
        )


def _examined(notebook: NotebookNode, folder: Path) -> Executed:
    """A notebook that was executed in a folder, if it showed a panel and wrote nothing to stderr."""
    executed = Executed(notebook.cells, folder)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.get("name") != "stderr", f"{cell.source}\n\nwrote to stderr: {output.text}"
    assert executed.displayed(WIDGET), "The notebook shows no panel."
    return executed


@pytest.fixture
def timed(record_property: Callable[[str, object], None]) -> Callable[[str], AbstractContextManager[None]]:
    """Note what a tutorial takes, by the clock and of the time of processes that are started and ended inside."""

    @contextmanager
    def timed(name: str) -> Iterator[None]:
        clock, spent = time.monotonic(), _spent()
        yield
        record_property("tutorial", (name, time.monotonic() - clock, _spent() - spent))

    return timed


def _spent() -> float:
    times = os.times()
    return times.children_user + times.children_system


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timed: Callable[[str], AbstractContextManager[None]]
) -> Callable[[str], Executed]:
    """Run the English notebook of this name; a cell that raises or warns fails the test."""
    from nbclient import NotebookClient

    for name, value in NO_NETWORK.items():
        monkeypatch.setenv(name, value)

    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # tests run side by side, and threads that wait for each other spin

    def run(name: str) -> Executed:
        notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
        with timed(name):
            NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
        return _examined(notebook, tmp_path)

    return run


@pytest.fixture
def examine() -> Callable[[Path], Executed]:
    """Read a notebook that something else has executed, in the folder where it left its files."""
    return lambda path: _examined(nbformat.read(path, as_version=4), path.parent)
