/** Opening by depth.  Knows no DOM. */

import { digits } from './format.js';
import { MOST } from './recording.js';

const DEEPEST = 12;

/**
 * All that is open when everything down to a depth below a module call is; a fold is as deep as what it holds.
 * @param {import('./recording.js').Recording} recording
 * @param {number} root
 * @param {number} depth 1 shows what the root holds.
 * @returns {number[]}
 */
export function openedTo(recording, root, depth) {
    const found = [];
    const visit = (index, level) => {
        if (level < depth && (index === root || recording.canOpen(index))) {
            found.push(index);
            const below = recording.nodes[index].kind === 'fold' && index !== root ? level : level + 1;
            recording.shown(index).forEach((child) => visit(child, below));
        }
    };
    visit(root, 0);
    return found;
}

/**
 * The depths that differ, the last of which opens all, with how many boxes each shows.
 * @param {import('./recording.js').Recording} recording
 * @param {number} root
 * @returns {{depth: number, boxes: number}[]}
 */
export function depths(recording, root) {
    const found = [];
    for (let depth = 1; depth <= DEEPEST; depth++) {
        const boxes = recording.boxes(openedTo(recording, root, depth), root).length;
        const deepest = openedTo(recording, root, depth + 1).length === openedTo(recording, root, depth).length;
        found.push({ depth, boxes });
        if (deepest) {
            break;
        }
    }
    return found;
}

/**
 * What the menu offers: closing all, and each depth, in the module that fills the canvas.
 * @param {import('./navigator.js').Navigator} navigator
 * @returns {{label: string, note?: string, press: () => void}[]}
 */
export function levelsMenu(navigator) {
    const { recording, inside } = navigator.outline;
    const found = depths(recording, inside);
    const word = (depth) => (depth === 1 ? 'Close all' : depth === found.length ? 'Open all' : `Open to depth ${depth}`);
    return found.map(({ depth, boxes }) => ({
        label: word(depth), note: `${digits(boxes)} nodes${boxes > MOST ? `, ${digits(MOST)} at a time` : ''}`,
        press: () => navigator.openTo(depth)
    }));
}
