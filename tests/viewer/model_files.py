"""Small model files of many kinds, each with a word of what Netron draws of it."""

from __future__ import annotations

import io
import json
import struct
from typing import TYPE_CHECKING, NamedTuple

import flatbuffers
import joblib
import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from safetensors.torch import save
from sklearn.linear_model import LogisticRegression
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable

KERAS = {
    "class_name": "Sequential",
    "config": {"layers": [{"class_name": "Dense", "config": {"name": "scores", "units": 10, "activation": "softmax"}}]},
}
CAFFE = """name: "Tiny"
input: "data"
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 10 } }
"""


class Sample(NamedTuple):
    """A file's name, what makes its bytes, and a word of the drawing."""

    name: str
    make: Callable[[], bytes]
    word: str


def tiny_onnx() -> bytes:
    given, returned = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", [given], [returned])
    return bytes(helper.make_model(graph).SerializeToString())


def weights() -> bytes:
    return save(nn.Linear(3, 2).state_dict())


def torch_file(thing: object, *, zipped: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(thing, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def arrays() -> bytes:
    file = io.BytesIO()
    np.savez(file, **{"dense/kernel": np.zeros((2, 3)), "dense/bias": np.zeros(3)})
    return file.getvalue()


def regression() -> bytes:
    file = io.BytesIO()
    joblib.dump(LogisticRegression().fit([[0.0], [1.0]], [0, 1]), file)
    return file.getvalue()


def _field(number: int, *parts: bytes) -> bytes:
    """A field of a protobuf message that has a length."""
    payload = b"".join(parts)
    return bytes([number << 3 | 2, len(payload)]) + payload


def graph_def() -> bytes:
    """TensorFlow's ``GraphDef`` of ``y = relu(x)``."""
    given = _field(1, _field(1, b"x"), _field(2, b"Placeholder"))
    return given + _field(1, _field(1, b"y"), _field(2, b"Relu"), _field(3, b"x"))


def gguf() -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1)
    head += text("general.architecture") + struct.pack("<I", 8) + text("llama")
    head += text("token_embd.weight") + struct.pack("<IQQIQ", 2, 4, 2, 0, 0)
    return head + bytes(-len(head) % 32) + bytes(32)


def tflite() -> bytes:
    """TensorFlow Lite's ``y = relu(x)``."""
    builder = flatbuffers.Builder(0)

    def table(size: int, offsets: dict[int, int], numbers: dict[int, int] | None = None) -> int:
        builder.StartObject(size)
        for slot, offset in offsets.items():
            builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        for slot, number in (numbers or {}).items():
            builder.PrependInt32Slot(slot, number, 0)
        return builder.EndObject()

    def vector(items: list[int], *, tables: bool = False) -> int:
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            (builder.PrependUOffsetTRelative if tables else builder.PrependInt32)(item)
        return builder.EndVector()

    shapes = [(builder.CreateString(name), vector([1, 4])) for name in "xy"]
    tensors = vector([table(4, {3: name, 0: shape}) for name, shape in shapes], tables=True)
    given, returned, from_, to = vector([0]), vector([1]), vector([0]), vector([1])
    operators = vector([table(3, {1: from_, 2: to})], tables=True)
    graphs = vector([table(5, {0: tensors, 1: given, 2: returned, 3: operators})], tables=True)
    codes = vector([table(4, {}, {2: 1, 3: 19})], tables=True)
    buffers = vector([table(1, {})], tables=True)
    builder.Finish(table(5, {1: codes, 2: graphs, 4: buffers}, {0: 3}), b"TFL3")
    return bytes(builder.Output())


SAMPLES = (
    Sample("tiny.onnx", tiny_onnx, "Relu"),
    Sample("weights.safetensors", weights, "weight"),
    Sample("weights.pt", lambda: torch_file(nn.Linear(3, 2).state_dict()), "weight"),
    Sample("older.pth", lambda: torch_file(nn.Linear(3, 2).state_dict(), zipped=False), "weight"),
    Sample("whole.pt", lambda: torch_file(nn.Sequential(nn.Linear(3, 2))), "Linear"),
    Sample("tiny.tflite", tflite, "Relu"),
    Sample("tiny.gguf", gguf, "token_embd"),
    Sample("frozen.pb", graph_def, "Relu"),
    Sample("keras.json", lambda: json.dumps(KERAS).encode(), "Dense"),
    Sample("caffe.prototxt", CAFFE.encode, "InnerProduct"),
    Sample("arrays.npz", arrays, "dense"),
    Sample("regression.joblib", regression, "LogisticRegression"),
    Sample("graph.dot", lambda: b"digraph { first -> second }", "first"),
    Sample("onnx.pbtxt", lambda: str(onnx.load_from_string(tiny_onnx())).encode(), "Relu"),
)
