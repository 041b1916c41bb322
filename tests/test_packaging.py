"""The wheel holds all that is needed, and importing the package loads nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "onnx", "onnxscript", "tornado", "matplotlib", "ipywidgets", "anywidget", "numpy", "IPython")


def python(code, **options):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=240, check=False, **options
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_import_loads_nothing_heavy():
    loaded = json.loads(python("import sys, json, notebookviz; print(json.dumps(sorted(sys.modules)))"))
    assert "notebookviz" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_public_names_are_those_promised():
    import notebookviz

    assert {"show", "summary"} <= set(notebookviz.__all__)
    assert set(notebookviz.__all__) <= set(dir(notebookviz))
    for name in notebookviz.__all__:
        assert getattr(notebookviz, name) is not None


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.mark.slow
def test_wheel_holds_each_source_file_and_nothing_else(wheel):
    package = ROOT / "notebookviz"
    kinds = {".py", ".js", ".css", ".typed", ".html", ".svg"}
    wanted = {
        f"notebookviz/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.suffix in kinds or path.name == "py.typed"
    }
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith("LICENSE")]
    assert held == wanted
    assert any(name.endswith(".js") for name in held)
    assert any(name.endswith(".css") for name in held)
    assert "notebookviz/py.typed" in held
    assert licences


SHOW = """
import json, pathlib, sys
import notebookviz, torch
from notebookviz import show, summary
model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
panel = show(model, torch.zeros(1, 4))
panel.save_html(sys.argv[1])
print(json.dumps({"file": notebookviz.__file__, "params": summary(model, torch.zeros(1, 4)).total_params}))
panel.close()
"""


@pytest.mark.slow
def test_installed_wheel_shows_a_model_where_no_source_is_seen(wheel, tmp_path):
    """The wheel is installed alone; the libraries it needs are borrowed from this environment."""
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)],
        check=True,
        timeout=240,
    )
    borrowed = tmp_path / "borrowed"
    borrowed.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "notebookviz" not in entry.name.lower():
            (borrowed / entry.name).symlink_to(entry)
    page = tmp_path / "page.html"
    # -S keeps site-packages, and with it the editable install, out of the path.
    done = subprocess.run(
        [sys.executable, "-S", "-c", SHOW, str(page)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{borrowed}", "BROWSER": "true", "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert Path(said["file"]).is_relative_to(target)
    assert said["params"] == 15
    assert page.stat().st_size > 100_000
