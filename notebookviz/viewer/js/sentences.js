/** What the status line says of a recording. */

import { digits, seconds } from './format.js';

/** @param {import('./recording.js').Recording} recording @returns {string} */
export function traced({ data }) {
    const pass = data.tensors === 'none' ? 'No forward pass could be traced.' : `Traced in ${seconds(data.seconds)}.`;
    return [pass, ...(data.notes || [])].join(' ');
}

/** @param {number} values How many tensors' values a saved page holds. @returns {string} */
export function held(values) {
    return values ? `Saved view: of ${digits(values)} tensors the values are in this page.` : 'Saved view: values are not in this page.';
}
