/**
 * Double clicks by what the first click hit: it opens the sidebar, so the second may hit what has moved there since.
 */

/**
 * @param {Document} document
 * @param {() => boolean} beside Whether the sidebar is open.
 * @param {(id: number, open: boolean, beside: boolean) => void} toggle The box with this id was clicked twice, or the title of its frame
 *     (`open`), and whether the sidebar was open before.
 */
export function watchDoubleClicks(document, beside, toggle) {
    let first = null;
    document.addEventListener('mousedown', (event) => {
        if (event.detail === 2 && first !== null) {
            event.preventDefault(); // or the words that came under the mouse would be marked
        }
    }, true);
    document.addEventListener('click', (event) => {
        if (event.detail === 2 && first !== null) {
            event.stopPropagation();
            event.preventDefault();
            toggle(first.id, first.open, first.beside);
            first = null;
            return;
        }
        const alone = event.detail === 1 && !event.target.closest('.nbv-toggle');
        const title = alone ? event.target.closest('.nbv-title-name, .nbv-sticky-name') : null;
        const box = title || (alone ? event.target.closest('.graph-node[data-id]') : null);
        first = box ? { id: Number(box.closest('[data-id]').dataset.id), open: title !== null, beside: beside() } : null;
    }, true);
}
