/** The two sizes that the user sets: the width of the module table, the height of the panel. */

import { splitter } from './splitter.js';

export const LEAST = 320;

/** @param {HTMLElement} root @param {HTMLElement} table @param {{split?: number}} state @param {() => void} done */
export function widthSplitter(root, table, state, done) {
    const put = (value) => root.style.setProperty('--split', `${value}%`);
    if (state.split) {
        put(state.split);
    }
    return splitter({
        orientation: 'vertical', label: 'Width of the module table', least: 15, most: 70, step: 2, done,
        get: () => state.split ?? (100 * table.offsetWidth) / (root.clientWidth || 1),
        set: (value) => {
            state.split = value;
            put(value);
        },
        moved: (from, pixels) => from + (100 * pixels) / root.clientWidth
    });
}

/** @param {HTMLElement} host @param {{height?: number}} state @param {number} height At first. @param {() => void} done */
export function heightSplitter(host, state, height, done) {
    return splitter({
        orientation: 'horizontal', label: 'Height of the panel', least: LEAST, most: 2000, step: 20, get: () => host.clientHeight || height, done,
        set: (value) => {
            state.height = value;
            host.style.height = `${value}px`;
        },
        moved: (from, pixels) => from + pixels
    });
}
