/** The module table's columns: what they say, how wide they are, and which fit. */

import { count, digits, memory, share, tensor } from './format.js';

/**
 * @typedef {object} Column
 * @property {string} key
 * @property {string} title
 * @property {string} help
 * @property {number} [most] Pixels; a column is as wide as its widest text, and no wider than this.
 * @property {boolean} [number] Right-aligned.
 * @property {(node: object, recording: object) => string} text
 * @property {(node: object, recording: object) => string} [full] The exact value, as a tooltip.
 */

/** @type {Record<string, Column>} */
const COLUMNS = {
    name: { key: 'name', title: 'name', help: 'Name of the module', text: () => '' },
    type: { key: 'type', title: 'type', help: 'Class of the module', most: 150, text: (node) => node.type, full: (node) => node.qualified || node.type },
    output: {
        key: 'output', title: 'output', help: 'Shape of what it returns', most: 130,
        text: (node, recording) => {
            const shapes = node.outputs.map((value) => tensor(recording.values[value]));
            return shapes.length > 1 ? `${shapes[0]} +${shapes.length - 1}` : shapes[0] ?? '';
        },
        full: (node, recording) => node.outputs.map((value) => tensor(recording.values[value])).join(', ')
    },
    params: number('params', 'params', 'Parameters, with all modules inside', (node) => node.params),
    trainable: number('trainable', 'trainable', 'Parameters that are trained', (node) => node.trainable, (node) => node.params > 0),
    share: {
        key: 'share', title: 'share', help: 'Share of all parameters', number: true,
        text: (node, recording) => share(node.params, recording.totals.params)
    },
    macs: number('macs', 'MACs', 'Multiply-adds, with all modules inside', (node) => node.macs),
    memory: {
        key: 'memory', title: 'out mem', help: 'Memory of what it returns', number: true,
        text: (node) => (node.bytes ? memory(node.bytes) : ''), full: (node) => (node.bytes ? `${digits(node.bytes)} bytes` : '')
    }
};

function number(key, title, help, get, always = () => false) {
    return {
        key, title, help, number: true,
        text: (node) => (get(node) || always(node) ? count(get(node)) : ''),
        full: (node) => (get(node) ? digits(get(node)) : '')
    };
}

const ASKED = ['output', 'params', 'macs'];
const LEAST_NAME = 90;
const MOST_NAME = 170;
const PADDING = 12;
const ARROW = 12;
const TWIST = 18;
const MARK = 16;

/** How far a row of this level is moved to the right: less and less, so that deep names can be read. @param {number} level From 1. */
export function indent(level) {
    const depth = Math.min(level - 1, 14);
    return 12 * Math.min(depth, 2) + 7 * Math.max(0, depth - 2);
}

/** Widths of texts in the table's own font, and of what is made of them. */
export class Ruler {

    /** @param {Element} element Whose font it is. */
    constructor(element) {
        this._pen = document.createElement('canvas').getContext('2d');
        const { fontSize, fontFamily } = getComputedStyle(element);
        this._pen.font = `${fontSize} ${fontFamily}`;
        this._known = new Map();
    }

    /** @param {string} text @returns {number} Pixels. */
    width(text) {
        let found = this._known.get(text);
        if (found === undefined) {
            found = Math.ceil(this._pen.measureText(text.slice(0, 200).replace(/\d/g, '0')).width) + 1; // all digits are as wide as 0
            this._known.set(text, found);
        }
        return found;
    }

    /** The room that a row's name and mark take. @param {number} level @param {string} name @param {string} mark */
    name(level, name, mark) {
        return indent(level) + TWIST + this.width(name) + (mark ? this.width(mark) + MARK : 0) + PADDING;
    }

    /**
     * How wide each column would be: its widest text, or its title; one that says nothing never fits.
     * @param {object} recording @param {Record<string, string>} totals What the last row says. @returns {Record<string, number>}
     */
    columns(recording, totals) {
        const rows = recording.nodes.filter(({ index }) => recording.isRow(index));
        const says = ({ text }) => rows.some((node) => text(node, recording) !== '');
        return Object.fromEntries(Object.values(COLUMNS).map((column) => [column.key, says(column) ? Math.max(this.widest(recording, column), this.width(totals[column.key] ?? '') + PADDING) : Infinity]));
    }

    /** How wide one column would be. @param {object} recording @param {Column} column @returns {number} Pixels. */
    widest(recording, { title, text, most = Infinity }) {
        const rows = recording.nodes.filter(({ index }) => recording.isRow(index));
        const texts = [...new Set(rows.map((node) => text(node, recording)))].sort((a, b) => b.length - a.length);
        const width = Math.max(...texts.slice(0, 12).map((each) => this.width(each)), this.width(title) + ARROW);
        return Math.min(most, width) + PADDING;
    }
}

/**
 * How wide a table should be at first: names can be read beside what is asked for most.
 * @param {number} name The room that the longest name of the model takes.
 * @param {Record<string, number>} widths Of the other columns.
 * @returns {number} Pixels.
 */
export function comfortable(name, widths) {
    return ASKED.reduce((sum, key) => sum + (Number.isFinite(widths[key]) ? widths[key] : 0), Math.min(name, MOST_NAME));
}

/**
 * The columns that fit a width, in the order they stand.  Long names give way to what is asked for most, not to the rest.
 * @param {number} width
 * @param {boolean} frozen Whether some parameters are not trained.
 * @param {number} name The room that the longest name of the model takes.
 * @param {Record<string, number>} widths Of the other columns.
 * @returns {Column[]}
 */
export function fitting(width, frozen, name, widths) {
    const rest = [...(frozen ? ['trainable'] : []), 'share', 'type', 'memory', ...(frozen ? [] : ['trainable'])];
    const taken = new Set(['name']);
    let left = width;
    const take = (keys, kept) => {
        for (const key of keys) {
            if (widths[key] <= left - kept) {
                taken.add(key);
                left -= widths[key];
            }
        }
    };
    take(ASKED, LEAST_NAME);
    take(rest, Math.max(LEAST_NAME, Math.min(name, 0.4 * width)));
    return Object.values(COLUMNS).filter((column) => taken.has(column.key));
}
