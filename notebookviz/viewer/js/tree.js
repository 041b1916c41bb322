/** The module table's rows: which are shown, in what order.  Knows no DOM. */

import { parse, subjectsOf } from './filter.js';

/**
 * @typedef {object} Line A row that is shown.
 * @property {number} id Node index.
 * @property {number} level From 1.
 * @property {number} position Among its siblings, from 1.
 * @property {number} siblings
 * @property {boolean} parent Whether it has rows below it.
 * @property {boolean} open
 */

export class Tree {

    /** @param {import('./recording.js').Recording} recording */
    constructor(recording) {
        this.recording = recording;
        this._children = recording.nodes.map(({ index }) => recording.isRow(index) ? recording.children(index).filter((child) => recording.isRow(child)) : []);
        this.count = recording.nodes.filter((node) => node.kind === 'module').length;
    }

    /** @param {number} id @returns {boolean} Whether rows can be opened below this one. */
    hasRows(id) {
        return this._children[id].length > 0;
    }

    /** @param {string} filter @returns {{wanted: Set<number>|null, error: string}} The rows that match, with all that encloses them; null for all. */
    matching(filter) {
        const { test, error } = parse(filter);
        this._subjects ??= subjectsOf(this.recording);
        const found = new Set();
        for (const [index, subject] of test ? this._subjects : []) {
            if (subject.node.kind === 'module' && test(subject)) {
                for (let id = index; id >= 0 && !found.has(id); id = this.recording.nodes[id].parent) {
                    found.add(id);
                }
            }
        }
        return { wanted: test ? found : null, error };
    }

    /** The row that stands for a node: itself, or the module call that an operator belongs to. @param {number} id */
    rowOf(id) {
        let found = id;
        while (found > 0 && !this.recording.isRow(found)) {
            found = this.recording.nodes[found].parent;
        }
        return found;
    }

    /** @param {number} id @returns {string} The row's name: relative to the row above it. */
    name(id) {
        const node = this.recording.nodes[id];
        if (node.kind === 'fold') {
            return node.type;
        }
        const name = id === 0 ? node.type : this.recording.relative(id) || node.type;
        return node.call > 0 ? `${name} (call ${node.call + 1})` : name;
    }

    /**
     * @param {Set<number>} opened
     * @param {{key: string, down: boolean}|null} sort
     * @param {Set<number>|null} wanted The rows to show, all open; null for all that are in opened ones.
     * @returns {Line[]}
     */
    lines(opened, sort, wanted) {
        const compare = sort ? this._order(sort) : null;
        const lines = [];
        const stack = [{ id: 0, level: 1, position: 1, siblings: 1 }];
        while (stack.length) {
            const { id, level, position, siblings } = stack.pop();
            let below = this._children[id];
            if (wanted) {
                below = below.filter((child) => wanted.has(child));
            }
            const open = below.length > 0 && (id === 0 || wanted !== null || opened.has(id));
            lines.push({ id, level, position, siblings, parent: below.length > 0, open });
            if (open) {
                const ordered = compare ? [...below].sort(compare) : below;
                for (let index = ordered.length - 1; index >= 0; index--) {
                    stack.push({ id: ordered[index], level: level + 1, position: index + 1, siblings: ordered.length });
                }
            }
        }
        return lines;
    }

    _order({ key, down, value = this.sortValue(key) }) {
        const sign = down ? -1 : 1;
        return (first, second) => {
            const [left, right] = [value(first), value(second)];
            return (left < right ? -sign : left > right ? sign : 0) || first - second;
        };
    }

    /** @param {string} key A column. @returns {(id: number) => number|string} What rows are ordered by. */
    sortValue(key) {
        const { nodes, values } = this.recording;
        switch (key) {
            case 'name': return (id) => this.name(id).toLowerCase();
            case 'type': return (id) => nodes[id].type.toLowerCase();
            case 'output': return (id) => nodes[id].outputs.reduce((sum, value) => sum + values[value][1].reduce((a, b) => a * b, 1), 0);
            case 'share': return (id) => nodes[id].params;
            case 'memory': return (id) => nodes[id].bytes;
            default: return (id) => nodes[id][key];
        }
    }
}
