"""Real Jupyter servers, and notebooks opened in them; a screenshot is kept when a test fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from driver import Notebook, Traffic, open_context
from jupyter_server import JupyterServer

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.failed:
        item.stash[_FAILED] = True
    return report


def _server(kind, factory, **options):
    return JupyterServer(kind, factory.mktemp(kind), **options)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    with _server("lab", tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def notebook7(tmp_path_factory):
    with _server("notebook", tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session", params=["lab", "notebook"])
def stock(request, tmp_path_factory):
    """A server without any flag that only a test would set."""
    with _server(request.param, tmp_path_factory, expose=False) as server:
        yield server


@pytest.fixture(params=["lab", "notebook"])
def either(request):
    """Each test runs in JupyterLab and in Notebook 7."""
    return request.getfixturevalue("lab" if request.param == "lab" else "notebook7")


@pytest.fixture
def open_notebook(browser, request):
    """A function that opens a notebook of given cells on a server."""
    opened = []

    def open_it(server, cells, *, prepare=None, **options):
        context = open_context(browser, **options)
        traffic = Traffic()
        traffic.watch(context)
        if prepare is not None:
            prepare(context)
        notebook = Notebook(server, context, traffic)
        opened.append(notebook)
        return notebook.open(cells)

    yield open_it
    for number, notebook in enumerate(opened):
        if request.node.stash.get(_FAILED, False):
            name = request.node.name.replace("/", "_").replace("[", "-").replace("]", "")
            notebook.screenshot(ARTIFACTS / "failures" / f"{name}-{number}.png")
        notebook.context.close()
    for server in {notebook.server for notebook in opened}:
        server.end_kernels()
