/** The module table's columns: what they say, and which fit. */

import { count, memory, share, tensor } from './format.js';

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} title
 * @property {string} help
 * @property {number} width Pixels; the name takes what is left.
 * @property {boolean} [number] Right-aligned.
 * @property {(node: object, recording: object) => string} text
 * @property {(node: object, recording: object) => string} [full] The exact value, as a tooltip.
 */

/** @type {Record<string, Column>} */
const COLUMNS = {
    name: { key: 'name', title: 'name', help: 'Name of the module', width: 90, text: () => '' },
    type: { key: 'type', title: 'type', help: 'Class of the module', width: 112, text: (node) => node.type, full: (node) => node.qualified || node.type },
    output: {
        key: 'output', title: 'output', help: 'Shape of what it returns', width: 122,
        text: (node, recording) => {
            const shapes = node.outputs.map((value) => tensor(recording.values[value]));
            return shapes.length > 1 ? `${shapes[0]} +${shapes.length - 1}` : shapes[0] ?? '';
        },
        full: (node, recording) => node.outputs.map((value) => tensor(recording.values[value])).join(', ')
    },
    params: number('params', 'params', 'Parameters, with all modules inside', 66, (node) => node.params),
    trainable: number('trainable', 'trainable', 'Parameters that are trained', 78, (node) => node.trainable, (node) => node.params > 0),
    share: {
        key: 'share', title: 'share', help: 'Share of all parameters', width: 58, number: true,
        text: (node, recording) => share(node.params, recording.totals.params)
    },
    macs: number('macs', 'MACs', 'Multiply-adds, with all modules inside', 68, (node) => node.macs),
    memory: {
        key: 'memory', title: 'out mem', help: 'Memory of what it returns', width: 76, number: true,
        text: (node) => (node.bytes ? memory(node.bytes) : ''), full: (node) => (node.bytes ? `${node.bytes.toLocaleString('en')} bytes` : '')
    }
};

function number(key, title, help, width, get, always = () => false) {
    return {
        key, title, help, width, number: true,
        text: (node) => (get(node) || always(node) ? count(get(node)) : ''),
        full: (node) => (get(node) ? get(node).toLocaleString('en') : '')
    };
}

/**
 * The columns that fit a width, in the order they stand; the name always does.
 * @param {number} width
 * @param {boolean} frozen Whether some parameters are not trained.
 * @returns {Column[]}
 */
export function fitting(width, frozen) {
    const order = ['params', 'output', 'macs', ...(frozen ? ['trainable'] : []), 'type', 'share', 'memory', ...(frozen ? [] : ['trainable'])];
    const taken = new Set(['name']);
    let left = width - COLUMNS.name.width;
    for (const key of order) {
        if (COLUMNS[key].width > left) {
            break;
        }
        taken.add(key);
        left -= COLUMNS[key].width;
    }
    return Object.values(COLUMNS).filter((column) => taken.has(column.key));
}
