/**
 * Double clicks by what the first click hit: it opens the sidebar, so the second may hit what has moved there since.
 */

/**
 * @param {Document} document
 * @param {(id: number, open: boolean) => void} toggle The box with this id was clicked twice, or the title of its frame (`open`).
 */
export function watchDoubleClicks(document, toggle) {
    let first = null;
    document.addEventListener('click', (event) => {
        if (event.detail === 2 && first !== null) {
            event.stopPropagation();
            event.preventDefault();
            toggle(first.id, first.open);
            first = null;
            return;
        }
        const alone = event.detail === 1 && !event.target.closest('.nbv-toggle');
        const title = alone ? event.target.closest('.nbv-title-name') : null;
        const box = title || (alone ? event.target.closest('.graph-node[data-id]') : null);
        first = box ? { id: Number(box.closest('[data-id]').dataset.id), open: title !== null } : null;
    }, true);
}
