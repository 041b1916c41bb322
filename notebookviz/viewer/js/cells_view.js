/** Cells as what a notebook cell shows, or over a panel. */

import { cellsList } from './cells.js';
import { button, element } from './dom.js';
import { theme, watchTheme } from './colours.js';

/**
 * Show cells as an output of their own.
 * @param {HTMLElement} holder @param {{cells: string[], notes: string[]}} written @param {string} style
 * @returns {() => void} Ends it.
 */
export function showCells(holder, written, style) {
    const host = element('div', { class: 'notebookviz', 'data-lm-suppress-shortcuts': 'true' });
    const root = element('div', { class: 'root alone', 'data-theme': theme() }, cellsList(written, host));
    host.attachShadow({ mode: 'open' }).append(element('style', { text: style }), root);
    for (const name of ['keydown', 'keyup', 'keypress']) {
        host.addEventListener(name, (event) => event.stopPropagation());
    }
    holder.append(host);
    return watchTheme((now) => (root.dataset.theme = now));
}

/**
 * Show cells over a panel, where they could not be inserted.
 * @param {HTMLElement} root The panel's. @param {{cells: string[], notes: string[]}} written
 */
export function openCells(root, written) {
    const back = root.getRootNode().activeElement;
    const close = () => {
        sheet.remove();
        back?.focus();
    };
    const sheet = element('div', { class: 'report', role: 'dialog', 'aria-label': 'Cells' },
        element('div', { class: 'bar' }, element('h2', { class: 'title', text: 'Cells of this training' }),
            element('div', { class: 'tools' }, button({ icon: 'close', label: 'Close', class: 'tool', press: close }))),
        cellsList(written, root));
    sheet.addEventListener('keydown', (event) => event.key === 'Escape' && close());
    root.append(sheet);
    sheet.querySelector('.cells button').focus();
}
