"""In the export process: constants are folded and leftovers removed, weights and modules stay as they are.

torch.onnx's own optimiser would melt BatchNormalization into Conv, so that a module vanishes and its weights are new
ones; without any optimiser a third of the nodes only compute shapes that are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir
from onnx_ir.passes.common import IdentityEliminationPass, RemoveUnusedNodesPass
from onnxscript import optimizer

from notebookviz.onnx_export.checking import check_graph

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx

FOLDED_LIMIT = 1024


def tidy(model: ir.Model, live: Iterable[str]) -> onnx.ModelProto:
    """Fold what depends on constants only, and return the model as a checked message.

    Args:
        model: Changed in place.
        live: Names of the initializers that stand for the model's tensors; their values are not known here.
    """
    plain = ir.to_proto(model)
    held = {name: model.graph.initializers[name].const_value for name in live}
    try:
        for name in held:
            model.graph.initializers[name].const_value = None
        optimizer.fold_constants(model, input_size_limit=FOLDED_LIMIT, output_size_limit=FOLDED_LIMIT)
        IdentityEliminationPass()(model)
        RemoveUnusedNodesPass()(model)
        for name, value in held.items():
            if name in model.graph.initializers:
                model.graph.initializers[name].const_value = value
        tidied = ir.to_proto(model)
        check_graph(tidied)
    except Exception:  # noqa: BLE001  (tidying is a nicety: the plain graph is as true)
        check_graph(plain)
        return plain
    return tidied
