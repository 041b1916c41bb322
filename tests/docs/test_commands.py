"""The commands of README and docs: each is run here or by the test that is named, or is marked as only looked at."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from jupyter_server import free_port

from tests.docs.pages import PAGES, ROOT, commands
from tests.docs.shell import HERE, MAKE

# Commands of shell blocks, and where they are run.
INSTALLING = ("pip install .", "pip install '.[all]'", "pip install '.[train]'")
RUN_ELSEWHERE = {"make demo": "notebooks/test_01_quickstart.py"}
RUN_HERE = {"make lab", "python -m notebookviz resnet18.safetensors", *INSTALLING}
NOT_RUN = {"make test"}  # this is how tests are run


def test_each_command_of_a_page_is_run_somewhere():
    found = commands()
    assert set(found) == {*RUN_HERE, *RUN_ELSEWHERE, *NOT_RUN}, found
    for command, test in RUN_ELSEWHERE.items():
        assert command.split()[-1] in (ROOT / "tests" / test).read_text(), f"{test} does not run {command}"


def test_each_target_of_make_that_is_named_exists_and_is_in_its_help():
    """Docs is built by test_site.py, bench and coverage are run below, as little of them as can be."""
    named = {
        name
        for page in PAGES
        for name in re.findall(r"\bmake ([a-z]+)\b(?=[`\s]*(?:$|[`#]|  ))", page.read_text(), re.MULTILINE)
    }
    assert {"demo", "lab", "docs", "bench", "test"} <= named
    listed = subprocess.run([*MAKE, "help"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout
    targets = {line.split()[0] for line in listed.splitlines()}
    for name in named:
        assert name in targets, f"make {name} is named, but make help lists {sorted(targets)}"
        planned = subprocess.run([*MAKE, "-n", name], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert planned.returncode == 0, planned.stderr


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.jupyter
@pytest.mark.timeout(600)
def test_make_bench_runs():
    said = made("bench", "--quick", seconds=540)
    assert re.search(r"resnet50 +warm: show +[\d.]+ s, export \+ Netron +[\d.]+ s, ratio", said)
    assert re.search(r"resnet50 +peak: show \+\d+ MB, export \+ Netron \+\d+ MB", said)
    assert re.search(r"click with 3\d\d to 3\d\d boxes drawn: median \d+ ms", said)
    assert "2 panels in a notebook: run_s " in said
    assert re.search(r"resnet50 +capture +first", said)
    assert re.search(r"digits +overhead [+-]", said)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_make_coverage_runs(tmp_path):
    table = tmp_path / "coverage.md"
    options = f"--group torchvision --name alexnet --lines {tmp_path / 'lines.jsonl'} --table {table}"
    made("coverage", options, seconds=540)
    assert "| torchvision | 1 | 1 (100.0%) | 1 | 0 | 0 |" in table.read_text()


def made(target, options, seconds):
    """What make says of a target that is run in a shortened form, where nothing is installed."""
    done = subprocess.run(
        [*MAKE, target, f"ARGS={options}", "PIP=true"],
        cwd=ROOT,
        env=HERE,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_script_that_is_named_exists():
    for page in PAGES:
        for name in re.findall(r"`python ([\w/]+\.py)", page.read_text()):
            assert (ROOT / name).is_file(), f"{page.name} names {name}"


@pytest.mark.parametrize("command", INSTALLING)
def test_pip_takes_it(command):
    """Literally, but nothing is installed: test_packaging.py installs the wheel and follows the README."""
    options = {
        "PIP_DRY_RUN": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_IGNORE_INSTALLED": "1",
    }
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env={**HERE, **options},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Would install notebookviz-" in done.stdout
    assert "does not provide the extra" not in done.stderr


@contextmanager
def started(command, folder, environment):
    """A command that serves until it is ended; yields what it has said, as a function."""
    log = folder / "said.txt"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, env={**HERE, **environment}, stdout=said, stderr=said, start_new_session=True
        )
    try:
        yield lambda: (process.poll(), log.read_text())
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(90)


def answer(address, said):
    """What an address answers, as soon as it does."""
    end = time.monotonic() + 200
    while True:
        code, text = said()
        assert code is None, text
        try:
            with urllib.request.urlopen(address, timeout=5) as reply:  # noqa: S310 - loopback
                return reply.read()
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            assert time.monotonic() < end, f"{address} did not answer:\n{text}"
            time.sleep(0.1)


@pytest.mark.jupyter
@pytest.mark.slow
def test_make_lab_serves_the_tutorials(tmp_path):
    port = free_port()
    own = {
        name: str(tmp_path / name.lower())
        for name in ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    with started(
        [*MAKE, "-C", str(ROOT), "lab"], tmp_path, {**own, "JUPYTER_PORT": str(port), "JUPYTER_TOKEN": "token"}
    ) as said:
        listed = json.loads(answer(f"http://127.0.0.1:{port}/api/contents?token=token", said))
        page = answer(f"http://127.0.0.1:{port}/lab?token=token", said).decode()
    names = [entry["name"] for entry in listed["content"]]
    assert "01-quickstart.ipynb" in names
    assert "zh" in names
    assert "<title>JupyterLab</title>" in page


@pytest.mark.slow
def test_module_serves_a_file(tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2, 3)}, tmp_path / "resnet18.safetensors")
    command = ["python", "-m", "notebookviz", "resnet18.safetensors"]
    with started(command, tmp_path, {"PYTHONUNBUFFERED": "1"}) as said:
        end = time.monotonic() + 200
        while not (found := re.search(r"http://127\.0\.0\.1:\S+", said()[1])):
            assert time.monotonic() < end, said()
            time.sleep(0.1)
        assert b"resnet18.safetensors" in answer(found[0], said)
