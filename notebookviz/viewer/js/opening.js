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

/** Whether two such messages draw the same, in whatever theme. */
export function sameOpening(one, other) {
    const rest = (message) => JSON.stringify({ ...message, recording: null, theme: null, background: null });
    return one.recording.buffer === other.recording.buffer && one.recording.byteOffset === other.recording.byteOffset && rest(one) === rest(other);
}
