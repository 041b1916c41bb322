"""External data that a hostile model file names must never be read from elsewhere."""

from __future__ import annotations

import os
import socket

import pytest

from notebookviz.errors import LoadingError
from notebookviz.loading import ModelFile


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (folder / "weights.bin").write_bytes(b"weights")
    (folder / "inner").mkdir()
    (folder / "inner" / "more.bin").write_bytes(b"more")
    return ModelFile("model.onnx", b"data", folder)


def refused(model, name):
    with pytest.raises(LoadingError) as caught:
        model.external(name)
    assert "secret'" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_own_folder_is_read(model):
    assert model.external("weights.bin") == b"weights"
    assert model.external("./weights.bin") == b"weights"
    assert model.external("inner/more.bin") == b"more"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "inner/../../secret.txt",
        "inner/..",
        "..",
        "/etc/passwd",
        "//etc/passwd",
        "..\\secret.txt",
        "inner\\..\\..\\secret.txt",
        "C:\\windows\\win.ini",
        "C:secret.txt",
        "\\\\host\\share\\file",
        "weights.bin\x00.txt",
        "",
        ".",
    ],
)
def test_names_that_lead_out(model, name):
    assert "leads out of the model's folder, so it is not read. Put the data beside the model file" in refused(
        model, name
    )


def test_link_to_file(model, tmp_path):
    (model.folder / "link.bin").symlink_to(tmp_path / "secret.txt")
    assert "is reached through a link, so it is not read. Copy the data itself" in refused(model, "link.bin")


def test_link_to_folder(model, tmp_path):
    (model.folder / "out").symlink_to(tmp_path)
    assert "is reached through a link" in refused(model, "out/secret.txt")


def test_hard_link(model, tmp_path):
    os.link(tmp_path / "secret.txt", model.folder / "hard.bin")
    assert "is reached through a link" in refused(model, "hard.bin")


@pytest.mark.timeout(60)
def test_special_files_do_not_hang(model, monkeypatch):
    os.mkfifo(model.folder / "pipe")
    assert "is not a regular file" in refused(model, "pipe")
    monkeypatch.chdir(model.folder)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("sock")
        assert "can't be read" in refused(model, "sock")


def test_folder_and_missing(model):
    assert "is not a regular file" in refused(model, "inner")
    assert "External data 'no.bin' was not found. Put it beside the model file." in refused(model, "no.bin")
    assert "can't be read" in refused(model, "n" * 10_000)


def test_by_name_refuses_the_same(model, tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "win32")
    assert model.external("inner/more.bin") == b"more"
    (model.folder / "link.bin").symlink_to(tmp_path / "secret.txt")
    (model.folder / "out").symlink_to(tmp_path)
    os.link(tmp_path / "secret.txt", model.folder / "hard.bin")
    for name in ("link.bin", "out/secret.txt", "hard.bin"):
        assert "is reached through a link" in refused(model, name)


def test_no_folder(model):
    with pytest.raises(LoadingError, match=r"has no folder\. Open the model from its file\."):
        ModelFile("model.onnx", b"data").external("weights.bin")
