/**
 * Double clicks by what the first click hit: it opens the sidebar, so the second may hit what has moved there since.
 */

/**
 * @param {Document} document
 * @param {(id: number) => void} toggle The box with this id was clicked twice.
 */
export function watchDoubleClicks(document, toggle) {
    let first = null;
    document.addEventListener('click', (event) => {
        if (event.detail === 2 && first !== null) {
            event.stopPropagation();
            event.preventDefault();
            toggle(first);
            first = null;
            return;
        }
        const box = event.detail === 1 && !event.target.closest('.nbv-toggle') ? event.target.closest('.graph-node[data-id]') : null;
        first = box ? Number(box.dataset.id) : null;
    }, true);
}
