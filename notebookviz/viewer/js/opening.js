/** What a page is told to draw of a model. */

import { asBytes } from './bytes.js';

/**
 * @param {Uint8Array|DataView} data The packed recording.
 * @param {{opened: Iterable<number>, selected?: number|null, inside?: number, view?: object|null, options?: object|null}} state
 * @param {string} [variable] The name of the model in Python.
 */
export function opening(data, { opened, selected = null, inside = 0, view = null, options = null }, variable) {
    return { type: 'open', kind: 'structure', recording: asBytes(data), opened: [...opened], selected, root: inside, view, options, variable };
}

/** Whether two such messages draw the same. */
export function sameOpening(one, other) {
    const { recording: first, theme: _, background: __, ...left } = one;
    const { recording: second, theme: ___, background: ____, ...right } = other;
    return first.buffer === second.buffer && first.byteOffset === second.byteOffset && JSON.stringify(left) === JSON.stringify(right);
}
