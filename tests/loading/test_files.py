"""Reading model files: what is read, what is refused, and in which words."""

from __future__ import annotations

import json
import os
import struct
import zipfile

import pytest

from notebookviz.errors import LoadingError
from notebookviz.loading import ModelFile, read_model_file
from notebookviz.loading import files as loading


@pytest.fixture
def proto():
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    return helper.make_model(graph)


def refused(path):
    with pytest.raises(LoadingError) as caught:
        read_model_file(path)
    text = str(caught.value)
    assert "\n" not in text
    assert caught.value.hint
    return text


def test_bytes_name_and_folder(tmp_path, proto):
    path = tmp_path / "one.onnx"
    path.write_bytes(proto.SerializeToString())
    file = read_model_file(path)
    assert file == ModelFile("one.onnx", proto.SerializeToString(), tmp_path)


def test_spaces_and_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my model.bin").write_bytes(b"abc")
    assert read_model_file("~/my model.bin").data == b"abc"


def test_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused("no.onnx") == f"'no.onnx' was not found. The current folder is {str(tmp_path)!r}: check the path."


def test_empty(tmp_path):
    (tmp_path / "e.onnx").touch()
    assert refused(tmp_path / "e.onnx").endswith("is empty. Save or download it again.")


def test_unreadable(tmp_path, monkeypatch):
    (tmp_path / "p.onnx").write_bytes(b"x")

    def deny(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(loading.os, "open", deny)
    assert refused(tmp_path / "p.onnx").endswith("may not be read. Check the file's permissions.")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable_for_real(tmp_path):
    (tmp_path / "p.onnx").write_bytes(b"x")
    (tmp_path / "p.onnx").chmod(0)
    assert "may not be read" in refused(tmp_path / "p.onnx")


def test_folder_names_the_files_in_it(tmp_path):
    for name in ("a.onnx", "b.PT", "notes.txt", ".hidden", "train.py", "Makefile"):
        (tmp_path / name).write_bytes(b"x")
    assert refused(tmp_path).endswith("is a folder; a file is wanted. Pass a file in it: 'a.onnx', 'b.PT'.")


def test_empty_folder(tmp_path):
    (tmp_path / "notes.txt").write_bytes(b"x")
    assert refused(tmp_path).endswith("is a folder; a file is wanted. Pass the path of a model file.")


@pytest.mark.parametrize("url", ["https://example.com/a.onnx", "file:///etc/passwd", "hf://org/model"])
def test_url(url):
    assert refused(url) == (
        f"{url!r} is a web address; a file on this machine is wanted. Download it and pass the path of the file."
    )


@pytest.mark.timeout(60)
def test_fifo_and_device_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in refused(tmp_path / "pipe")
    assert "is not a regular file" in refused("/dev/zero")


def test_enormous(tmp_path):
    path = tmp_path / "big.onnx"
    with path.open("wb") as stream:
        stream.truncate(loading.MAX_BYTES + 1)
    assert "has 1.1 GB; at most 1.1 GB fit into the page. Save the model with its weights as external data" in refused(
        path
    )


def test_null_byte_and_long_name():
    assert "can't be read" in refused("a\x00b")
    assert "can't be read: File name too long." in refused("n" * 10_000)


def is_refused_as_truncated(path, data):
    path.write_bytes(data)
    try:
        read_model_file(path)
    except LoadingError as error:
        return "truncated or damaged: the file ends inside its onnx data. Save or download it again." in str(error)
    return False


def test_truncated_onnx_at_every_length(tmp_path, proto):
    data = proto.SerializeToString()
    path = tmp_path / "cut.onnx"
    accepted = [length for length in range(1, len(data)) if not is_refused_as_truncated(path, data[:length])]
    path.write_bytes(data)
    assert read_model_file(path).data == data
    # Only a cut exactly between two of the four outermost fields can't be told.
    assert len(accepted) <= 3


def test_onnx_as_text_is_left_to_netron(tmp_path):
    path = tmp_path / "text.onnx"
    path.write_text('{"irVersion": "8"}')
    assert read_model_file(path).name == "text.onnx"


def test_truncated_zip(tmp_path):
    path = tmp_path / "w.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w/data.pkl", b"x" * 500)
    whole = path.read_bytes()
    assert read_model_file(path).data == whole
    path.write_bytes(whole[:200])
    assert "is truncated or damaged" in refused(path)


def test_truncated_safetensors(tmp_path):
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    whole = struct.pack("<Q", len(header)) + header + bytes(8)
    path = tmp_path / "w.safetensors"
    path.write_bytes(whole)
    assert read_model_file(path).data == whole
    for cut in (4, 20, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert "is truncated or damaged" in refused(path)


def test_hostile_name_stays_on_one_line(tmp_path):
    text = refused(tmp_path / ("<b>\n" + "x" * 300))
    assert "\\n" in text
    assert len(text) < 600
