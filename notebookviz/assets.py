"""What every panel of a kernel shares: one widget that carries the page and the panel's own script and style."""

from __future__ import annotations

import threading
from typing import Final

import ipywidgets
import traitlets

from notebookviz.viewer import bundle

# The panel's own ``_esm``: anywidget sends it with every panel, so it only unpacks what all share.  The page of an
# awaited panel starts as soon as the panel is known, and draws when the kernel has looked at the model.
LOADER: Final = """\
async function unpack(packed) {
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    const [page, source, style] = (await new Response(stream).text()).split('\\0');
    const { default: widget } = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    return { page, style, widget };
}
async function shared(model) {
    const assets = await model.widget_manager.get_model(model.get('assets').slice('IPY_MODEL_'.length));
    assets.notebookviz ??= unpack(assets.get('packed'));
    return { assets, ...await assets.notebookviz };
}
export default () => {
    let early = null;
    return {
        async initialize({ model }) {
            const id = model.get('served').id;
            const style = document.createElement('style'); // what stands beside the widget is hidden while it lives
            style.dataset.notebookvizLive = id;
            const standing = ['picture', 'page'].map((name) => `[data-notebookviz-${name}="${id}"]`);
            style.textContent = `:is(${standing}), .jp-OutputArea-child:has(${standing}) { display: none !important; }`;
            const file = model.get('subject')?.kind === 'file'; // without its kernel, the output beside has it
            if (!file) {
                document.head.append(style);
            }
            const { widget, ...given } = await shared(model);
            if (file && widget.alive(given)) {
                document.head.append(style);
            }
            early = model.get('awaited') ? widget.start({ model, ...given }) : null;
            return () => {
                style.remove();
                early?.close();
            };
        },
        async render({ model, el }) {
            const { widget, ...given } = await shared(model);
            const link = early?.take();
            return widget.render({ model, el, link, ...given });
        }
    };
};
"""


class Assets(ipywidgets.Widget):  # type: ignore[misc]
    """The page, script and style (200 KB packed), sent once for each kernel however many panels there are.

    A widget rather than a request: it is in the front end before the first panel, also while the kernel is busy, and it
    is saved with a notebook's widget state.
    """

    packed = traitlets.Bytes().tag(sync=True)


_lock = threading.Lock()
_made: list[Assets] = []


def assets() -> Assets:
    """The kernel's shared widget; a new one after all widgets were closed."""
    with _lock:
        if not _made or _made[0].comm is None:
            _made[:] = [Assets(packed=bundle.soon())]
        return _made[0]
