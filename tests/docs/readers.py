"""A reader with a kernel, who types what a page says."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from jupyter_client.blocking import BlockingKernelClient

COLOUR = re.compile(r"\x1b\[[\d;]*m")


class Reader:
    """Runs code in one kernel.

    Args:
        client: Of the kernel.
    """

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str, place: str) -> None:
        """Run code to its end; fails with its traceback."""
        reply = self._client.execute_interactive(code, timeout=240, output_hook=lambda _: None, allow_stdin=False)[
            "content"
        ]
        assert reply["status"] == "ok", f"{place}\n" + COLOUR.sub("", "\n".join(reply["traceback"]))

    def ask(self, expression: str) -> object:
        """The value of an expression that is plain JSON data."""
        expressions = {"answer": f"__import__('json').dumps({expression})"}
        reply = self._client.execute_interactive(
            "", store_history=False, user_expressions=expressions, timeout=180, output_hook=lambda _: None
        )["content"]["user_expressions"]["answer"]
        assert reply["status"] == "ok", reply
        return json.loads(ast.literal_eval(reply["data"]["text/plain"]))


@contextmanager
def reader(folder: Path, environment: Mapping[str, str], *flags: str) -> Iterator[Reader]:
    """Start a kernel in a folder, with flags for Python; it ends with the block."""
    place = folder / "kernels" / "reader"
    place.mkdir(parents=True)
    command = [sys.executable, *flags, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (place / "kernel.json").write_text(json.dumps({"argv": command, "display_name": "reader", "language": "python"}))
    specs = KernelSpecManager(kernel_dirs=[str(place.parent)])
    manager = KernelManager(kernel_name="reader", kernel_spec_manager=specs)
    manager.start_kernel(cwd=str(folder), env={**os.environ, "OMP_NUM_THREADS": "1", **environment})
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=180)
        yield Reader(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
