"""A real JupyterLab or Notebook 7 in a process of its own, with its own home and settings."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import nbformat

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN = "token"  # noqa: S105 - the server lives for one test run and listens on loopback only
PREFIX = "/pre/fix/"
START_SECONDS = 200

Kind = Literal["lab", "notebook"]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class JupyterServer:
    """Start with ``with``; ``expose`` makes ``window.jupyterapp`` visible to the driver (the product never uses it)."""

    def __init__(self, kind: Kind, folder: Path, *, expose: bool = True) -> None:
        self.kind = kind
        self.folder = folder
        self.expose = expose
        self.port = 0
        self.log = folder / "server.log"
        self.work = folder / "work"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    def __enter__(self) -> JupyterServer:
        self.work.mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ)
        for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
            place = self.folder / name.lower()
            place.mkdir(exist_ok=True)
            environment[name] = str(place)
        command = [
            *(sys.executable, "-m", "jupyterlab" if self.kind == "lab" else "notebook"),
            *("--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={free_port()}"),
            *(f"--IdentityProvider.token={TOKEN}", f"--ServerApp.base_url={PREFIX}"),
            f"--ServerApp.root_dir={self.work}",
        ]
        if self.expose:
            command.append("--LabApp.expose_app_in_browser=True")
            if self.kind == "notebook":
                command.append("--JupyterNotebookApp.expose_app_in_browser=True")
        if self.kind == "lab":
            self._ask_for_no_news()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.work, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self._wait_until_it_answers()
        return self

    def __exit__(self, *_exception: object) -> None:
        process = self.process
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _ask_for_no_news(self) -> None:
        """Answer JupyterLab's question about news, whose toast would cover what is tested."""
        settings = self.folder / "jupyter_config_dir" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True, exist_ok=True)
        (settings / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}', encoding="utf-8")

    def _wait_until_it_answers(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            assert self.process is not None
            assert self.process.poll() is None, f"Jupyter ended at once:\n{self.log.read_text()}"
            try:
                self.port = self._taken_port()
                with urllib.request.urlopen(f"{self.url}api/status?token={TOKEN}", timeout=5):  # noqa: S310 - loopback
                    return
            except (OSError, ValueError):  # it has not written its port yet, or does not answer
                time.sleep(0.1)
        self.__exit__()
        message = f"Jupyter did not answer within {START_SECONDS} s:\n{self.log.read_text()}"
        raise AssertionError(message)

    def _taken_port(self) -> int:
        """The port that it listens on: another than it was given, where that was taken meanwhile."""
        assert self.process is not None
        told = self.folder / "jupyter_runtime_dir" / f"jpserver-{self.process.pid}.json"
        return int(json.loads(told.read_text())["port"])

    def write_notebook(self, cells: Sequence[str]) -> str:
        """Write a notebook of code cells; returns its name."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        name = f"{uuid.uuid4().hex}.ipynb"
        nbformat.write(notebook, self.work / name)
        return name

    def address(self, name: str) -> str:
        """Where the browser finds a notebook: in Lab in a workspace of its own."""
        if self.kind == "lab":
            return f"{self.url}lab/workspaces/{uuid.uuid4().hex}/tree/{name}?reset&token={TOKEN}"
        return f"{self.url}notebooks/{name}?token={TOKEN}"

    def end_kernels(self) -> None:
        """End every kernel, so that they don't pile up."""
        for session in json.loads(self._request("GET", "api/sessions")):
            self._request("DELETE", f"api/sessions/{session['id']}")

    def _request(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(f"{self.url}{path}?token={TOKEN}", method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=90) as answer:  # noqa: S310 - loopback
            return bytes(answer.read())
