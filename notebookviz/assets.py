"""What every panel of a kernel shares: one widget that carries the page and the panel's own script and style."""

from __future__ import annotations

import threading
from importlib.resources import files
from typing import Final

import ipywidgets
import traitlets

from notebookviz.viewer.packer import widget_source
from notebookviz.viewer.page import page_html

# The panel's own ``_esm``: anywidget sends it with every panel, so it only fetches the shared script.
LOADER: Final = """\
async function shared(model) {
    const assets = await model.widget_manager.get_model(model.get('assets').slice('IPY_MODEL_'.length));
    if (!assets.notebookvizModule) {
        const url = URL.createObjectURL(new Blob([assets.get('source')], { type: 'text/javascript' }));
        assets.notebookvizModule = import(url);
    }
    return { assets, widget: (await assets.notebookvizModule).default };
}
export default {
    async render({ model, el }) {
        const { assets, widget } = await shared(model);
        return widget.render({ model, el, assets });
    }
};
"""


class Assets(ipywidgets.Widget):  # type: ignore[misc]
    """The page (220 KB), script and style, sent once for each kernel however many panels there are.

    A widget rather than a request: it is in the front end before the first panel, also while the kernel is busy, and it
    is saved with a notebook's widget state.
    """

    page = traitlets.Unicode().tag(sync=True)
    source = traitlets.Unicode().tag(sync=True)
    style = traitlets.Unicode().tag(sync=True)


_lock = threading.Lock()
_made: list[Assets] = []


def style() -> str:
    """The panel's style sheet."""
    return files("notebookviz.viewer").joinpath("panel.css").read_text(encoding="utf-8")


def assets() -> Assets:
    """The kernel's shared widget; a new one after all widgets were closed."""
    with _lock:
        if not _made or _made[0].comm is None:
            _made[:] = [Assets(page=page_html(), source=widget_source(), style=style())]
        return _made[0]
