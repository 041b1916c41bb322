/** A long text over the whole panel, which can be saved. */

import { button, element } from './dom.js';
import { download } from './bytes.js';

/** @param {HTMLElement} root The panel's. @param {string} text */
export function showReport(root, text) {
    const back = root.getRootNode().activeElement;
    const close = () => {
        sheet.remove();
        back?.focus();
    };
    const save = () => download('report.txt', new TextEncoder().encode(text), 'text/plain');
    const tools = element('div', { class: 'tools' }, button({ icon: 'save', text: 'Save', label: 'Save the report', class: 'tool', press: save }),
        button({ icon: 'close', label: 'Close', class: 'tool', press: close }));
    const sheet = element('div', { class: 'report', role: 'dialog', 'aria-label': 'Report' },
        element('div', { class: 'bar' }, element('h2', { class: 'title', text: 'Report' }), tools), element('pre', { text, tabindex: '0' }));
    sheet.addEventListener('keydown', (event) => event.key === 'Escape' && close());
    root.append(sheet);
    sheet.querySelector('pre').focus();
}
