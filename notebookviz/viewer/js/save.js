/** Asking where the kernel should write a file. */

import { element } from './dom.js';
import { popover } from './popover.js';

/**
 * @param {HTMLElement} root @param {HTMLElement} anchor @param {string} name The model's.
 * @param {(options: {path: string, functions: boolean}) => void} chosen
 */
export function savePath(root, anchor, name, chosen) {
    const field = element('input', { type: 'text', value: `${name.replace(/[^\w.-]+/g, '_').toLowerCase()}.onnx`, spellcheck: 'false', 'aria-label': 'File' });
    const functions = element('input', { type: 'checkbox' });
    const form = element('form', { class: 'popover edit', role: 'dialog', 'aria-label': 'Save as ONNX' },
        element('label', { text: 'File, where the kernel runs' }, field),
        element('button', { type: 'submit', class: 'action', text: 'Export' }),
        element('label', { class: 'option', title: 'A function for each module, nested as the modules are; else one flat graph' }, functions, 'Modules as functions'));
    form.addEventListener('submit', (event) => {
        event.preventDefault();
        const path = field.value.trim();
        if (path) {
            close();
            chosen({ path, functions: functions.checked });
        }
    });
    const close = popover(root, anchor, form);
    field.focus();
    field.select();
}
