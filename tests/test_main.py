"""``python -m notebookviz``: exit codes, one-line errors, serving until Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request

import pytest

from notebookviz.__main__ import main


def run(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "notebookviz", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


def test_help_names_the_use():
    done = run("--help")
    assert done.returncode == 0
    assert "FILE" in done.stdout
    assert "--no-browser" in done.stdout


def test_version():
    from importlib.metadata import version

    assert run("--version").stdout.strip() == f"notebookviz {version('notebookviz')}"


def test_no_file_is_a_usage_error():
    done = run()
    assert done.returncode == 2
    assert "the following arguments are required: FILE" in done.stderr


def test_error_is_one_line(tmp_path):
    done = run("no.onnx", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"notebookviz: 'no.onnx' was not found. The current folder is {str(tmp_path)!r}: check the path."
    ]


def test_nothing_stays_open_when_a_later_file_fails(tmp_path, capsys, monkeypatch):
    from notebookviz.panel import open_panels

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.json").write_text("{}")
    before = len(open_panels())
    assert main(["--no-browser", "a.json", "no.onnx"]) == 1
    assert len(open_panels()) == before
    assert "'no.onnx' was not found" in capsys.readouterr().err


@pytest.mark.slow
def test_serves_until_interrupted(tmp_path):
    (tmp_path / "a model.json").write_text("{}")
    process = subprocess.Popen(
        [sys.executable, "-m", "notebookviz", "--no-browser", "a model.json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        address = re.search(r"http://127\.0\.0\.1:\d+/\S+", "".join(lines))
        assert address, lines
        with urllib.request.urlopen(address[0], timeout=30) as answer:  # noqa: S310 - loopback
            assert b"<!doctype html>" in answer.read().lower()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert process.stderr.read() == ""
    finally:
        process.kill()
