/** What is looked for: words, shapes and filters, all of which must hold.  Knows no DOM. */

import { line } from './text.js';

const NUMBERS = { params: (node) => node.params, trainable: (node) => node.trainable, macs: (node) => node.macs, memory: (node) => node.bytes };
const UNITS = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 };
const COMPARE = { '>': (a, b) => a > b, '>=': (a, b) => a >= b, '<': (a, b) => a < b, '<=': (a, b) => a <= b, '=': (a, b) => a === b };
const MARKS = ['failed', 'unfinished', 'unused', 'uncalled', 'assumed', 'broadcast', 'in-place'];

const FLAGS = {
    trainable: ({ node }) => node.params > 0 && node.trainable === node.params,
    frozen: ({ node }) => node.params > 0 && node.trainable === 0,
    ...Object.fromEntries(MARKS.map((mark) => [mark, ({ marks }) => marks.includes(mark)]))
};

const WORDS = {
    name: (text) => (subject) => subject.names.some((each) => each.includes(text)),
    path: (text) => ({ path }) => path.includes(text),
    type: (text) => ({ types }) => types.some((each) => each.includes(text)),
    op: (text) => ({ operators }) => operators.some((each) => each.includes(text)),
    shape: (text) => {
        const run = dimensions(text);
        return run && (({ shapes }) => shapes.some((each) => contains(each, run)));
    },
    dtype: (text) => ({ dtypes }) => dtypes.some((each) => each.includes(text)),
    device: (text) => ({ devices }) => devices.some((each) => each.includes(text))
};

/** What can be typed, with an example of each, for the help. */
export const EXAMPLES = [
    ['conv1', 'in a name, type or operator; with a dot in a path'], ['64×112×112', 'a shape, also 64x112x112'], ['type:Conv2d', 'also name: path: op: dtype: device:'],
    ['shape:64', 'a dimension of an output'], ['params>1M', 'also macs, memory, trainable; > >= < <= =; k M G T'], ['trainable', 'all parameters are trained'],
    ['frozen', 'none is trained'], ['uncalled', 'also failed, unfinished, unused, assumed, broadcast, in-place'], ['-type:ReLU', 'all but these'], ['"frozen"', 'the word itself']
];

/**
 * @typedef {object} Subject What can be said of a node, in lower case.
 * @property {object} node
 * @property {string} path Empty for an operator.
 * @property {string[]} names Its name inside its module, and those of its tensors.
 * @property {string[]} types Its own, and the operator's that it stands for.
 * @property {string[]} operators
 * @property {number[][]} shapes Of its outputs.
 * @property {string[]} dtypes
 * @property {string[]} devices
 * @property {string[]} marks
 */

/**
 * The nodes that can be found: module calls and operators as they are drawn, and modules that were never called.
 * @param {import('./recording.js').Recording} recording
 * @returns {Map<number, Subject>}
 */
export function subjectsOf(recording) {
    const found = new Map();
    const low = (text) => text.toLowerCase();
    for (const node of recording.nodes) {
        const holder = recording.nodes[node.parent];
        if (node.kind === 'operator' && holder?.leaf) {
            const leaf = found.get(holder.index);
            leaf?.types.push(low(node.type));
            leaf?.operators.push(low(node.type));
        } else if (node.kind !== 'fold' && node.index > 0) {
            const module = node.kind === 'module';
            const tensors = node.initializers.map((each) => recording.initializers[each]);
            const values = node.outputs.map((value) => recording.values[value]);
            found.set(node.index, {
                node, path: module ? low(node.path) : '', names: [module ? low(recording.relative(node.index)) : '', ...tensors.map(({ name }) => low(name.split('.').pop()))],
                types: [low(node.type)], operators: module ? [] : [low(node.type)], shapes: values.map(([, dims]) => dims),
                dtypes: [...new Set([...values, ...tensors.map(({ type }) => type)].map(([dtype]) => low(dtype)))],
                devices: [...new Set([...values, ...tensors.map(({ type }) => type)].map(([, , device]) => low(device)))], marks: recording.marks(node.index)
            });
        }
    }
    return found;
}

/**
 * @param {string} text What was typed.
 * @returns {{test: ((subject: Subject) => boolean)|null, error: string}} No test for nothing; an error in a sentence.
 */
export function parse(text) {
    const terms = text.replace(/(^|[\s-])(\w+)\s*([<>≤≥]=?|=)\s*(?=[\d.])/g, '$1$2$3').match(/-?(?:\w+:)?"[^"]*"?|\S+/g) ?? [];
    const tests = [];
    for (const term of terms) {
        const not = term.length > 1 && term.startsWith('-');
        const { test, error } = one(not ? term.slice(1) : term);
        if (error) {
            return { test: null, error };
        }
        if (test) {
            tests.push(not ? (subject) => !test(subject) : test);
        }
    }
    return { test: tests.length ? (subject) => tests.every((test) => test(subject)) : null, error: '' };
}

/** One term. */
function one(term) {
    const quoted = /^"([^"]*)"?$/.exec(term);
    if (quoted) {
        return { test: quoted[1] && anywhere(quoted[1].toLowerCase()), error: '' };
    }
    const number = /^(\w+)(>=|<=|[<>=≤≥])(.*)$/.exec(term);
    if (number) {
        return compared(number[1], number[2].replace('≥', '>=').replace('≤', '<='), number[3]);
    }
    const filter = /^([a-z]+):(.*)$/i.exec(term);
    if (filter) {
        return named(filter[1], filter[2].replaceAll('"', '').toLowerCase());
    }
    const word = term.toLowerCase();
    if (Object.hasOwn(FLAGS, word)) {
        return { test: FLAGS[word], error: '' };
    }
    return { test: dimensions(word) ? either(WORDS.shape(word), anywhere(word)) : anywhere(word), error: '' };
}

function compared(key, sign, text) {
    const get = Object.hasOwn(NUMBERS, key.toLowerCase()) ? NUMBERS[key.toLowerCase()] : null;
    if (!get) {
        return wrong(`There is no number ${shown(key)} to compare; there are ${Object.keys(NUMBERS).join(', ')}.`);
    }
    const found = /^(\d+(?:\.\d+)?|\.\d+)\s*([kmgt]?)(b?)$/i.exec(text);
    if (!found) {
        return text === '' ? { test: null, error: '' } : wrong(`${shown(text)} is no number. Write it like ${key}${sign}1M.`);
    }
    const billions = found[3] && !found[2] && key !== 'memory';
    const limit = Number(found[1]) * (billions ? 1e9 : UNITS[found[2].toLowerCase()]);
    return { test: ({ node }) => COMPARE[sign](get(node), limit), error: '' };
}

function named(key, value) {
    const make = Object.hasOwn(WORDS, key.toLowerCase()) ? WORDS[key.toLowerCase()] : null;
    if (!make) {
        return wrong(`There is no filter ${shown(`${key}:`)}; there are ${Object.keys(WORDS).map((each) => `${each}:`).join(' ')}. Put a text with a colon in quotes.`);
    }
    const test = value ? make(value) : null;
    return test || !value ? { test, error: '' } : wrong(`${shown(value)} is no shape. Write it like shape:64×112×112.`);
}

const shown = (text) => `“${line(text, 40)}”`;

function wrong(error) {
    return { test: null, error };
}

/** In the names and types; in the whole path only if a dot says so. */
function anywhere(text) {
    const dotted = text.includes('.');
    return ({ names, types, path }) => [...names, ...types].some((each) => each.includes(text)) || (dotted && path.includes(text));
}

const either = (first, second) => (subject) => first(subject) || second(subject);

/** @param {string} text `64×112` or `64x112`, or one number. @returns {number[]|null} */
function dimensions(text) {
    const parts = text.split(/[×x*,]/);
    return parts.every((part) => /^\d+$/.test(part)) ? parts.map(Number) : null;
}

/** Whether numbers stand in a list in a row. */
function contains(list, run) {
    return list.some((_, start) => run.every((each, step) => list[start + step] === each));
}
