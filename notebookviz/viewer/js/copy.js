/** Text into the clipboard, from the panel: the page in its sandbox may not. */

import { element } from './dom.js';

/** @param {string} text @returns {Promise<boolean>} Whether the browser did it. */
export async function copyText(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return copied(text); // pages that are not served safely have no clipboard
    }
}

function copied(text) {
    const before = document.activeElement;
    const field = element('textarea', { 'aria-hidden': 'true' });
    field.style.cssText = 'position: fixed; top: 0; left: -9999px;';
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand('copy');
    field.remove();
    before?.focus();
    return done;
}
