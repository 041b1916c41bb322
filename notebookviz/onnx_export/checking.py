"""onnx's own checker, on files and on graphs without weights."""

from __future__ import annotations

import onnx


def check_file(path: str) -> None:
    """Check a file, external data included; raises ``onnx.checker.ValidationError``."""
    onnx.checker.check_model(path, full_check=False)


def check_graph(model: onnx.ModelProto) -> None:
    """Check a graph whose weights are elsewhere: each becomes an input of the same type for the check.

    Args:
        model: With external initializers, which onnx's checker would refuse because the data is not a file.
    """
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    external = [item for item in probe.graph.initializer if item.data_location == onnx.TensorProto.EXTERNAL]
    inline = [item for item in probe.graph.initializer if item.data_location != onnx.TensorProto.EXTERNAL]
    del probe.graph.initializer[:]
    probe.graph.initializer.extend(inline)
    for item in external:
        probe.graph.input.append(onnx.helper.make_tensor_value_info(item.name, item.data_type, list(item.dims)))
    names = {item.name for item in external}
    kept = [item for item in probe.graph.value_info if item.name not in names]
    del probe.graph.value_info[:]
    probe.graph.value_info.extend(kept)
    onnx.checker.check_model(probe, full_check=False)
