"""Cells on the screen: to be inserted below, or copied."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import anywidget
import traitlets
from ipywidgets import widget_serialization

from notebookviz.assets import LOADER, Assets, assets

if TYPE_CHECKING:
    from collections.abc import Sequence


class CellsView(anywidget.AnyWidget):
    """Shows cells; the panel's script draws it.

    Args:
        sources: The text of each cell.
        notes: Sentences above them.
    """

    _esm = LOADER

    assets = traitlets.Instance(Assets).tag(sync=True, **widget_serialization)
    served = traitlets.Dict().tag(sync=True)
    cells: traitlets.List[str] = traitlets.List().tag(sync=True)
    notes: traitlets.List[str] = traitlets.List().tag(sync=True)

    def __init__(self, sources: Sequence[str], notes: Sequence[str]) -> None:
        served = {"id": secrets.token_hex(16)}
        super().__init__(assets=assets(), served=served, cells=list(sources), notes=list(notes))
