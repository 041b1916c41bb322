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

from tests.docs.flowers import plant
from tests.docs.pages import PYTHON, blocks
from tests.docs.readers import reader

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


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel is installed alone; the libraries it needs are borrowed from this environment, which holds no wheel."""
    folder = tmp_path_factory.mktemp("installed")
    target = folder / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target", str(target), str(wheel)],
        check=True,
        timeout=240,
    )
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "notebookviz" not in entry.name.lower():
            (borrowed / entry.name).symlink_to(entry)
    return target, {"PYTHONPATH": f"{target}{os.pathsep}{borrowed}", "PYTHONSAFEPATH": "1"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_newcomer_follows_the_readme_to_a_fine_tuned_model(installed, tmp_path):
    """In a clean folder, where no source is seen; -S keeps the editable install out of the path."""
    target, environment = installed
    with reader(tmp_path, {**environment, **plant(tmp_path)}, "-S") as newcomer:
        for block in blocks(ROOT / "README.md"):
            if block.language in PYTHON:
                newcomer.run(block.text, block.place)
        assert Path(newcomer.ask("__import__('notebookviz').__file__")).is_relative_to(target)
        assert newcomer.ask("(summary(model).total_params, panel.title)") == [11_177_538, "ResNet"]
        losses = newcomer.ask("[epoch.train_loss for epoch in training.epochs]")
        accuracy = newcomer.ask("training.epochs[-1].metrics['val_accuracy']")
        said = newcomer.ask("load_fine_tuned('runs/flowers').predict('rose.jpg')")
    assert len(losses) == 5
    assert losses[-1] < losses[0]
    assert accuracy == 1  # eight pictures that it has not learned from
    assert [name for name, _ in said] == ["rose", "daisy"]
    assert said[0][1] > 0.6
    assert sum(share for _, share in said) == pytest.approx(1, abs=1e-3)
    assert (tmp_path / "model.html").stat().st_size > 100_000
    assert (tmp_path / "runs" / "flowers" / "best" / "model.safetensors").exists()
