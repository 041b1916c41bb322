"""Run the quickstart notebook on a real ResNet-50 and say where its page is."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "01-quickstart.ipynb"
PAGE = ROOT / "artifacts" / "resnet50.html"


def main() -> int:
    """Run the notebook in artifacts/, where it leaves its files."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.unlink(missing_ok=True)
    started = time.monotonic()
    print(f"Running {NOTEBOOK.relative_to(ROOT)} on torchvision's ResNet-50 …", flush=True)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(PAGE.parent)}})
    try:
        client.execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    if not PAGE.exists():
        print(f"The notebook ran but left no {PAGE}.", file=sys.stderr)
        return 1
    executed = PAGE.with_name("01-quickstart.ipynb")
    nbformat.write(notebook, executed)
    print(f"Done in {time.monotonic() - started:.0f} s. Open this page in a browser; it needs no kernel:")
    print(f"  {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
