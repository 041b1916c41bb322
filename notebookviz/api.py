"""``show``, ``summary`` and ``open_file``: the only place where the parts are joined."""

from __future__ import annotations

import sys
import webbrowser
from typing import TYPE_CHECKING, Any, Literal

from notebookviz import carrier, cells, collection
from notebookviz.errors import InputError, NotebookvizError
from notebookviz.graph.tree import opening
from notebookviz.hold import Hold
from notebookviz.loading import ModelFile, read_model_file
from notebookviz.panel import Panel
from notebookviz.parts import Parts
from notebookviz.serving.protocol import Answer, Method, Page
from notebookviz.viewer import netron

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import torch
    from torch import nn

    from notebookviz.finetune.session import Session
    from notebookviz.finetune.settings import Settings
    from notebookviz.looking import Looking
    from notebookviz.serving.server import Server
    from notebookviz.table import ModuleTable
    from notebookviz.viewer.static import Contents

LEAST_HEIGHT = 320
EMBEDDED = 20 << 20
KEPT = 2 << 20
FALLBACK_ROWS = 200


def show(  # noqa: PLR0913 - the options are keywords, and each is documented
    model: nn.Module,
    *inputs: Any,  # noqa: ANN401 - whatever forward takes
    input_size: Sequence[int] | Sequence[Sequence[int]] | None = None,
    dtypes: torch.dtype | Sequence[torch.dtype] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    mode: Literal["eval", "train"] = "eval",
    depth: int | None = None,
    height: int = 600,
    browser: bool | None = None,
) -> Panel:
    """Show a model: its graph in Netron, and its module table.

    The model is traced without computing, and nothing about it changes.

    Args:
        model: A ``torch.nn.Module``, or an ``onnx.ModelProto``.
        *inputs: Inputs of ``forward``; without any they are inferred.  A single tuple is unpacked, a single dict, or
            what a tokenizer returns, is taken as keyword arguments when its keys are parameters of ``forward``.
        input_size: Shape of the input, or a list of shapes, instead of inputs.
        dtypes: Data type, or one for each shape.
        kwargs: Keyword arguments of ``forward``.
        mode: Which path to trace; the model's own mode is left alone.
        depth: How many levels of modules are open at first.
        height: Height of the panel in pixels, at least 320.
        browser: Open it in a browser tab instead of the notebook; False only prints the address outside of one.

    Returns:
        The panel.

    Raises:
        InputError: The model or an option is not what is wanted.

    Example:
        >>> from torch import nn
        >>> panel = show(nn.Sequential(nn.Linear(4, 2), nn.ReLU()), input_size=(1, 4))  # doctest: +SKIP
        >>> panel.table.total_params  # doctest: +SKIP
        10
    """
    height = _height(height)
    if type(model).__name__ == "ModelProto" and hasattr(model, "SerializeToString"):
        proto: Any = model
        return _show_file(
            ModelFile(f"{_proto_name(proto)}.onnx", proto.SerializeToString()), height, browser, proto=proto
        )
    if depth is not None and (not isinstance(depth, int) or depth < 1):
        raise InputError(f"depth is {depth!r}; it is a number of levels, at least 1.", hint="Leave it out.")
    displayed = cells.in_notebook() and not browser
    with collection.put_off():
        panel = Panel(_subject(model), height=height, awaited=displayed)
        try:
            parts = _parts_of(model, inputs, kwargs, {"input_size": input_size, "dtypes": dtypes, "mode": mode}, depth)
        except BaseException:
            panel.discard()
            raise
        panel.begin(parts)
        return _present(panel, browser=browser)


def _parts_of(
    model: nn.Module,
    inputs: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None,
    options: dict[str, Any],
    depth: int | None,
) -> Parts:
    """Look at a model; imported here, so that the front end starts the page meanwhile."""
    from notebookviz.looking import Looking
    from notebookviz.training import TrainingTab

    looking = Looking(model, inputs, kwargs, options)
    view = looking.look({})
    training = TrainingTab(looking.model, looking.recording)

    def release() -> None:
        looking.release()
        training.release()

    return Parts(
        hold=looking.hold,
        methods={
            "tensor": looking.tensor,
            "parameters": looking.parameters,
            "file": looking.file,
            "external": looking.external,
            **training.methods,
            "cells": training.writing(_cells),
            **_netron_methods(),
        },
        page=lambda panel, saved, weights: _page(panel, looking, saved=saved, weights=weights),
        script=_script,
        view=view,
        trace=looking.look,
        export=looking.export,
        mark=looking.mark,
        release=release,
        training=training,
        fallback=_table_of,
        serve=_server,
        opened=opening(view.recording, depth=depth),
    )


def summary(
    model: nn.Module,
    *inputs: Any,  # noqa: ANN401 - whatever forward takes
    input_size: Sequence[int] | Sequence[Sequence[int]] | None = None,
    dtypes: torch.dtype | Sequence[torch.dtype] | None = None,
    kwargs: Mapping[str, Any] | None = None,
    mode: Literal["eval", "train"] = "eval",
) -> ModuleTable:
    """The module table of a model: names, types, output shapes, parameters, MACs and memory.

    Args:
        model: A ``torch.nn.Module``.
        *inputs: As for :func:`show`.
        input_size: As for :func:`show`.
        dtypes: As for :func:`show`.
        kwargs: As for :func:`show`.
        mode: As for :func:`show`.

    Returns:
        The table; ``print`` it, or use ``.rows``, ``.total_params``, ``.total_macs``, ``.to_dataframe()``.

    Example:
        >>> from torch import nn
        >>> summary(nn.Linear(4, 2), input_size=(1, 4)).total_params
        10
    """
    from notebookviz.looking import Looking

    looking = Looking(model, inputs, kwargs, {"input_size": input_size, "dtypes": dtypes, "mode": mode})
    return looking.look({}).table


def open_file(path: str | os.PathLike[str], *, height: int = 600, browser: bool | None = None) -> Panel:
    """Open a model file in Netron; its bytes go to the page, and nothing in it is executed.

    Args:
        path: Any file that Netron reads; ``~`` works.
        height: Height of the panel in pixels.
        browser: Open it in a browser tab instead of the notebook; False only prints the address outside of one.

    Returns:
        The panel.

    Raises:
        LoadingError: The file is missing, empty, unreadable, a folder or a web address.

    Example:
        >>> open_file("exported.onnx")  # doctest: +SKIP
    """
    file = read_model_file(path)
    return _show_file(file, _height(height), browser, path=str(path))


def _show_file(
    file: ModelFile,
    height: int,
    browser: bool | None,  # noqa: FBT001 - handed on
    *,
    path: str = "",
    proto: object = None,
) -> Panel:
    hold = Hold(file)

    def held() -> ModelFile:
        found = hold.get()
        if found is None:
            raise InputError(f"The panel has let go of {file_name}.", hint="Run the cell that shows it again.")
        return found

    file_name = file.name
    drawn = "It is drawn here where scripts run; in a notebook, trust it or run the cell."
    sentence = f"{file_name}, {len(file.data):,} bytes. {_left_out(file) or drawn}"
    methods: dict[str, Method] = {
        **_netron_methods(),
        "file": lambda _: Answer({"name": file_name}, (held().data,)),
        "external": lambda params: Answer({}, (held().external(str(params.get("name", ""))),)),
    }
    parts = Parts(
        hold=hold if proto is None else Hold(proto),
        methods=methods,
        page=lambda panel, saved, _: _file_page(panel, held() if saved else None),
        fallback=lambda _: ("", sentence),
        script=lambda panel: _file_script(panel, hold.get()),
        release=hold.release,
        serve=_server,
    )
    panel = Panel({"kind": "file", "name": file_name, "path": path or file_name, "size": len(file.data)}, height=height)
    panel.begin(parts)
    return _present(panel, browser=browser)


def _cells(session: Session, settings: Settings) -> Mapping[str, Any]:
    from notebookviz.writing.cells import session_cells

    return session_cells(session, settings)


def _netron_methods() -> dict[str, Method]:
    def metadata(params: Mapping[str, Any]) -> Answer:
        types = [str(item) for item in params.get("types") or []]
        return Answer({}, (netron.metadata_subset(str(params.get("name", "")), types),))

    return {
        "module": lambda params: Answer({}, (netron.module_text(str(params.get("name", ""))),)),
        "metadata": metadata,
    }


def _left_out(file: ModelFile) -> str:
    """Why a notebook does not keep a file; ``""`` when it does."""
    if len(file.data) > KEPT:
        return f"A notebook keeps files of up to {KEPT >> 20} MB; run the cell to open this one."
    return _unread(file)


def _unread(file: ModelFile) -> str:
    """Why Netron can't read a file; ``""`` when it may."""
    from notebookviz.viewer.readers import readers_of

    if readers_of(file.name, file.data):
        return ""
    return "Neither its name nor its first bytes are those of a format that Netron reads."


def _file_script(panel: Panel, file: ModelFile | None) -> str:
    """The script that opens a small file without its kernel."""
    from notebookviz.viewer.output import output_script

    if file is None or _left_out(file):
        return ""
    return output_script(panel.key, _file_contents(panel, file), panel.height, whole=carrier.carries(panel))


def _file_contents(panel: Panel, file: ModelFile) -> Contents:
    """A file with all that draws it."""
    from notebookviz.viewer.readers import texts_for
    from notebookviz.viewer.static import Contents

    return Contents(panel.subject, file.data, panel.state, texts_for(file.name, file.data))


def _script(panel: Panel) -> str:
    from notebookviz.viewer.output import output_script
    from notebookviz.viewer.static import Contents

    contents = Contents(panel.subject, panel.graph, _state(panel))
    return output_script(panel.key, contents, panel.height, whole=carrier.carries(panel))


def _state(panel: Panel) -> dict[str, Any]:
    return {**panel.state, "overlays": panel.overlays}


def _page(panel: Panel, looking: Looking, *, saved: bool, weights: int) -> Page:
    from notebookviz.viewer.static import Contents, static_html

    token = "" if saved else str(panel.served.get("token", ""))
    fallback, _ = _table_of(panel)
    tensors = looking.smallest(weights) if weights else {}
    contents = Contents(panel.subject, panel.graph, _state(panel), tensors=tensors)
    found = static_html(contents, token=token, fallback=fallback)
    return Page(found.html, found.policy)


def _file_page(panel: Panel, file: ModelFile | None) -> Page:
    """The page of a file: with its bytes inside when it is saved, else asking for them."""
    from notebookviz.viewer.static import Contents, static_html

    if file is None:
        contents = Contents(panel.subject, state=panel.state)
        found = static_html(contents, token=str(panel.served.get("token", "")))
        return Page(found.html, found.policy)
    if len(file.data) > EMBEDDED:
        raise NotebookvizError(
            f"{file.name} takes {len(file.data) >> 20} MB; a saved page holds up to {EMBEDDED >> 20} MB.",
            hint="Share the file itself.",
        )
    if _unread(file):
        raise NotebookvizError(f"{file.name} can't be drawn. {_unread(file)}")
    found = static_html(_file_contents(panel, file))
    return Page(found.html, found.policy)


def _table_of(panel: Panel) -> tuple[str, str]:
    table = panel.table
    return table.to_html(FALLBACK_ROWS), table.to_text(FALLBACK_ROWS)


def _present(panel: Panel, *, browser: bool | None) -> Panel:
    if cells.in_notebook() and not browser:
        panel.display()
        return panel
    if not panel.url:
        print(panel.title, panel.table, sep="\n")  # noqa: T201 - there is no other way to show it
        return panel
    opened = browser is not False and _open_browser(panel.url)
    print(f"{panel.title}: {'opened' if opened else 'open'} {panel.url}", flush=True)  # noqa: T201 - where it is
    return panel


def _open_browser(url: str) -> bool:
    try:
        return webbrowser.open(url)
    except webbrowser.Error:
        return False


def _server() -> Server | None:
    """The loopback server; None where no port can be opened, and the comm has to do."""
    from notebookviz.serving.server import server

    try:
        return server()
    except OSError as error:
        print(f"notebookviz: no local port could be opened ({error}).", file=sys.stderr)  # noqa: T201
        return None


def _subject(model: nn.Module) -> dict[str, Any]:
    return {"kind": "structure", "name": type(model).__name__, "variable": cells.variable(model)}


def _height(height: int) -> int:
    if not isinstance(height, int) or isinstance(height, bool) or height < 1:
        raise InputError(f"height is {height!r}; it is a number of pixels.", hint="For example height=600.")
    return max(height, LEAST_HEIGHT)


def _proto_name(proto: Any) -> str:  # noqa: ANN401 - an onnx.ModelProto
    return str(proto.graph.name)[:80] or "model"
