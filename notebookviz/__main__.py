"""``python -m notebookviz FILE``: arguments only; everything is done by ``api``."""

from __future__ import annotations

import argparse
import sys
import threading
from importlib.metadata import version
from typing import TYPE_CHECKING

from notebookviz.errors import NotebookvizError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notebookviz.panel import Panel


def build_parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m notebookviz",
        description="Open model files in the browser, in Netron. Nothing in a file is executed.",
        epilog="Press Ctrl-C to end. A PyTorch model in memory is shown by notebookviz.show(model).",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="a model file: .onnx, .safetensors, .pt2, .tflite, …")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument("--version", action="version", version=f"notebookviz {version('notebookviz')}")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Open each file and serve it until Ctrl-C.

    Args:
        arguments: The command line without the program's name; ``None`` takes the process's own.

    Returns:
        The exit code: 0 after Ctrl-C, 1 when a file can't be opened.

    Example:
        >>> main(["no-such-file.onnx"])
        1
    """
    options = build_parser().parse_args(arguments)
    from notebookviz import api

    panels: list[Panel] = []
    try:
        panels.extend(api.open_file(path, browser=not options.no_browser) for path in options.files)
    except NotebookvizError as error:
        for panel in panels:
            panel.close()
        print(f"notebookviz: {error}", file=sys.stderr)  # noqa: T201 - the command line's way to speak
        return 1
    print("Press Ctrl-C to end.", flush=True)  # noqa: T201 - the command line's way to speak
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    finally:
        for panel in panels:
            panel.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
