/**
 * What a notebook's output runs: where the widget is not alive (no kernel, or an exported notebook) it opens the panel
 * without one, in place of its picture.  Python writes this text into each output, so it imports nothing.
 */
async (element, { id, facts, version, packed }) => {
    const PATIENCE = 8000; // a widget that is still looked for then has no kernel
    const alive = () => document.querySelector(`[data-notebookviz-live="${id}"]`) !== null;
    const area = () => element.closest('.jp-OutputArea');
    /** The output in which the notebook says that it looks for the widget, or that there is none. */
    const widget = () => [...(area()?.querySelectorAll('.jp-OutputArea-child') ?? [])].find((output) => (
        !output.querySelector('[data-notebookviz-picture]') && /^(Loading widget|Error displaying widget)/.test(output.textContent.trim())
    ));
    /** What all panels share, by its version: one output of a notebook holds it, and it may be shown after others. */
    const bundles = globalThis[Symbol.for('notebookviz.bundles')] ??= new Map();
    const unpack = async () => {
        const bytes = Uint8Array.from(atob(bundles.get(version)), (each) => each.charCodeAt(0));
        return (await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text()).split('\0');
    };

    element.dataset.notebookvizPage = id;
    if (packed) {
        bundles.set(version, packed);
    }
    for (let waited = 0; waited < PATIENCE && (!element.isConnected || waited < 300 || /^Loading/.test(widget()?.textContent.trim())); waited += 100) {
        await new Promise((resolve) => setTimeout(resolve, 100));
        if (alive()) {
            return;
        }
    }
    await new Promise((resolve) => {
        new IntersectionObserver((seen, observer) => {
            if (seen.some(({ isIntersecting }) => isIntersecting)) {
                observer.disconnect();
                resolve();
            }
        }).observe(area() ?? element);
    });
    const remark = document.createElement('p');
    remark.textContent = 'Modules open here once the first panel of this notebook has been in sight. If that was deleted, run this cell again.';
    for (let waited = 0; !alive() && !bundles.has(version); waited += 300) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        if (waited === 1500) {
            element.append(remark);
        }
    }
    remark.remove();
    if (alive()) {
        return;
    }
    const [page, source, style] = await unpack();
    const { default: panel } = await import(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    const opened = panel.open(element, facts, { page, style });
    const hidden = document.createElement('style');
    hidden.textContent = `[data-notebookviz-picture="${id}"], .jp-OutputArea-child:has([data-notebookviz-picture="${id}"]) { display: none !important; }`;
    element.append(hidden);
    const gone = widget();
    gone?.style.setProperty('display', 'none');
    new MutationObserver((_, observer) => {
        if (alive()) { // the kernel was only late
            observer.disconnect();
            opened.close();
            hidden.remove();
            gone?.style.removeProperty('display');
        }
    }).observe(document.head, { childList: true });
}
