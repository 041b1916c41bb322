/** What nodes and rows can be coloured by: facts of the recording, and numbers or words that the user gave.  Knows no DOM. */

import { count, digits, memory } from './format.js';
import { MOST_WORDS, ODD, OTHER, ink, ramp, ramps, wordColour } from './palette.js';

const SPAN = 100; // from this ratio of the largest to the smallest on, the scale is logarithmic
const DEPTH = 1e4; // facts that are smaller than the largest by more than this share one colour; the user's own never do
const MIXED = 'mixed';

/**
 * @typedef {object} Given What `panel.overlay(name, {path: value})` made; numbers that JSON lacks are texts.
 * @property {string} name
 * @property {'numbers'|'words'} kind
 * @property {string} unit
 * @property {'max'|'min'|'sum'|'mean'} combine How a closed module's number is made of those inside.
 * @property {Record<string, number|string>} values By the path of a module or of a parameter, or by one call of a module: `relu@2`.
 */

/**
 * @typedef {object} Mark How one node is shown.
 * @property {string} fill
 * @property {string} ink The colour of text on it.
 * @property {string} text What it says, short.
 * @property {string} full The same in full.
 * @property {boolean} odd Whether it is no finite number.
 */

const AMOUNTS = {
    params: { name: 'parameters', unit: '', note: 'shared ones count once', get: (node) => node.params },
    macs: { name: 'MACs', unit: '', note: 'multiply-adds for this input, with all inside', get: (node) => node.macs },
    memory: { name: 'output memory', unit: '', note: 'of what a node returns, not of what is inside', get: (node) => node.bytes, text: memory, full: (bytes) => `${digits(bytes)} bytes` }
};

const SORTS = {
    dtype: { name: 'dtype', note: 'of parameters; without any, of what is returned', parameter: ({ type }) => type[0], value: (type) => type[0] },
    device: { name: 'device', note: 'of parameters; without any, of what is returned', parameter: ({ type }) => type[2], value: (type) => type[2] },
    trainable: { name: 'trainable', note: 'what has no parameters has no colour', order: ['trainable', 'frozen', MIXED], parameter: ({ trainable }) => (trainable ? 'trainable' : 'frozen') }
};

const STAGED = { name: 'trainable', note: 'staged until the training starts', order: ['will learn', 'frozen', MIXED] };

/** Names of the overlays that every recording has, by key. */
export const BUILT_IN = Object.fromEntries([...Object.entries(AMOUNTS), ...Object.entries(SORTS)].map(([key, { name }]) => [key, name]));

/**
 * @param {import('./recording.js').Recording} recording
 * @param {string|Given} wanted A key of `BUILT_IN`, or what the user gave.
 * @param {'light'|'dark'} theme
 * @param {Set<string>|null} [learns] Names of the parameters that will learn, where that is only staged.
 * @returns {Overlay}
 */
export function overlay(recording, wanted, theme, learns = null) {
    if (wanted === 'trainable' && learns) {
        const words = ({ name, aliases }) => ([name, ...aliases ?? []].some((each) => learns.has(each)) ? 'will learn' : 'frozen');
        return new Overlay({ ...STAGED, key: wanted }, sorts(recording, { parameter: words }), theme);
    }
    if (AMOUNTS[wanted]) {
        return amounts(recording, wanted, theme);
    }
    if (SORTS[wanted]) {
        return new Overlay({ ...SORTS[wanted], key: wanted }, sorts(recording, SORTS[wanted]), theme);
    }
    const values = new Gathered(recording, wanted).values;
    return wanted.kind === 'words' ? new Overlay(wanted, values, theme) : new Overlay({
        ...wanted, note: combined[wanted.combine], text: (number) => measured(number, wanted.unit), full: (number) => `${spelled(number)} ${wanted.unit}`.trim()
    }, values, theme);
}

const combined = { max: 'a module shows the largest inside', min: 'a module shows the smallest inside', sum: 'a module shows the sum of those inside', mean: 'a module shows the mean of those inside' };

function amounts(recording, key, theme) {
    const { get, ...facts } = AMOUNTS[key];
    const values = recording.nodes.map((node) => get(node) || undefined);
    return new Overlay({ text: count, full: digits, depth: DEPTH, ...facts, key }, values, theme);
}

/** The words of each node: of its parameters, or of what it returns. */
function sorts(recording, { parameter, value }) {
    const held = holdings(recording);
    return recording.nodes.map((node) => {
        const words = new Set([...held(node)].map((index) => recording.initializers[index]).filter(({ kind }) => kind === 'parameter').map(parameter));
        if (words.size === 0 && value) {
            node.outputs.forEach((index) => words.add(value(recording.values[index])));
        }
        return words.size ? [...words].sort() : undefined;
    });
}

/** Gives the stored tensors of a node: all below a module's path, those that an operator takes. */
export function holdings(recording) {
    const below = new Map();
    recording.initializers.forEach(({ name, aliases }, index) => {
        for (const each of [name, ...aliases]) {
            for (const path of enclosing(each)) {
                below.set(path, (below.get(path) ?? new Set()).add(index));
            }
        }
    });
    const held = (node) => {
        switch (node.kind) {
            case 'module': return below.get(node.path) ?? [];
            case 'operator': return node.inputs.flatMap(([, , initializers]) => initializers);
            default: return recording.children(node.index).flatMap((child) => [...held(recording.nodes[child])]);
        }
    };
    return held;
}

/** The paths that enclose a path, innermost first; the last is the model's. @param {string} path */
function enclosing(path) {
    const found = [];
    for (let end = path.lastIndexOf('.'); end > 0; end = path.lastIndexOf('.', end - 1)) {
        found.push(path.slice(0, end));
    }
    return path ? [...found, ''] : found;
}

/** What a value may be given for: modules, what encloses them, their calls, stored tensors.  The model may have lost some since. */
function names(recording) {
    const found = new Set(recording.nodes.map(called));
    const paths = [...recording.nodes.map(({ path }) => path), ...recording.initializers.flatMap(({ name, aliases }) => [name, ...aliases])];
    paths.forEach((path) => [path, ...enclosing(path)].forEach((each) => found.add(each)));
    return found;
}

/** What the user gave, by node: a module that has no value of its own is made of the nearest ones inside. */
class Gathered {

    /** @param {import('./recording.js').Recording} recording @param {Given} given */
    constructor(recording, given) {
        this._recording = recording;
        const known = names(recording);
        this._given = new Map(Object.entries(given.values).filter(([path]) => known.has(path)).map(([path, value]) => [path, given.kind === 'numbers' ? Number(value) : value]));
        this._below = new Map();
        this._within = new Map();
        const aliases = new Map(recording.initializers.map((tensor) => [tensor.name, tensor.aliases]));
        for (const [path] of this._given) {
            [path, ...aliases.get(path) ?? []].forEach((name) => this._add(path, name));
        }
        recording.nodes.filter((node) => this._given.has(called(node))).forEach((node) => this._addCall(node));
        const joined = given.kind === 'words' ? (words) => [...new Set(words)].sort() : COMBINE[given.combine];
        this.values = recording.nodes.map((node) => {
            const values = [...this._paths(node)].map((path) => this._given.get(path));
            return values.length ? joined(values) : undefined;
        });
    }

    /** A value counts for all that encloses it, up to what has a value itself. */
    _add(path, name) {
        for (const around of /@\d+$/.test(name) ? [] : enclosing(name)) {
            this._below.set(around, (this._below.get(around) ?? new Set()).add(path));
            if (this._given.has(around)) {
                return;
            }
        }
    }

    /** So does the value of one call, for the calls that enclose it. */
    _addCall(node) {
        for (const around of this._recording.ancestors(node.index).map((index) => this._recording.nodes[index])) {
            this._within.set(around.index, (this._within.get(around.index) ?? new Set()).add(called(node)));
            if (this._own(around).length) {
                return;
            }
        }
    }

    /** What was given for a module call itself, or for all calls of its module. */
    _own(node) {
        return node.kind === 'module' ? [called(node), node.path].filter((key) => this._given.has(key)).slice(0, 1) : [];
    }

    /** The given paths that a node's value is made of. */
    _paths(node) {
        switch (node.kind) {
            case 'module': {
                const own = this._own(node);
                return own.length ? own : new Set([...this._below.get(node.path) ?? [], ...this._within.get(node.index) ?? []]);
            }
            case 'operator': return node.inputs.flatMap(([, , stored]) => stored.map((index) => this._recording.initializers[index].name)).filter((name) => this._given.has(name));
            default: return new Set(this._recording.children(node.index).flatMap((child) => [...this._paths(this._recording.nodes[child])]));
        }
    }
}

/** The key of one call of a module; null for what is no call. */
const called = ({ kind, path, call }) => (kind === 'module' ? `${path}@${call + 1}` : null);

const COMBINE = {
    max: (numbers) => numbers.reduce((best, each) => Math.max(best, each)),
    min: (numbers) => numbers.reduce((best, each) => Math.min(best, each)),
    sum: (numbers) => numbers.reduce((total, each) => total + each),
    mean: (numbers) => numbers.reduce((total, each) => total + each) / numbers.length
};

export class Overlay {

    /**
     * @param {{name: string, key?: string, unit?: string, note?: string, order?: string[], text?: (value: number) => string, full?: (value: number) => string, depth?: number}} facts
     * @param {(number|string[]|undefined)[]} values By node: a number, the words of all that is inside, or nothing.
     * @param {'light'|'dark'} theme
     */
    constructor(facts, values, theme) {
        this.name = facts.name;
        this.key = facts.key ?? '';
        this.note = facts.note ?? '';
        this.values = values;
        this._facts = facts;
        this._theme = theme;
        const inner = values.slice(1).filter((value) => value !== undefined); // the model itself is the whole, and no part of the scale
        this.words = values.some(Array.isArray);
        if (this.words) {
            this._sort(inner);
        } else {
            this._measure(inner.length ? inner : values.slice(0, 1).filter((value) => value !== undefined));
        }
    }

    /** @param {number} id @returns {Mark|null} */
    mark(id) {
        const value = this.values[id];
        if (value === undefined) {
            return null;
        }
        if (this.words) {
            return painted(this._colours.get(said(value)) ?? OTHER, said(value), value.join(', '));
        }
        const [text, full] = [this._facts.text(value), this._facts.full(value)];
        return Number.isFinite(value) ? painted(ramp(this._part(value), this._theme), text, full) : { ...painted(ODD, text, full), odd: true };
    }

    /** @param {number} id @returns {number|string} What rows are ordered by. */
    order(id) {
        const value = this.values[id];
        return this.words ? said(value ?? []) : value ?? -Infinity;
    }

    /** Numbers that are none or infinite; 0 when there are only good ones. */
    get odd() {
        return this.words ? 0 : this.values.slice(1).filter((value) => value !== undefined && !Number.isFinite(value)).length;
    }

    _sort(inner) {
        const counts = new Map();
        inner.forEach((value) => counts.set(said(value), (counts.get(said(value)) ?? 0) + 1));
        const order = this._facts.order ?? [];
        const rank = (word) => (order.includes(word) ? order.indexOf(word) : order.length + (word === MIXED ? 1 : 0));
        const words = [...counts.keys()].sort((a, b) => rank(a) - rank(b) || counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
        const own = words.filter((word) => word !== MIXED).slice(0, MOST_WORDS);
        this._colours = new Map(own.map((word, index) => [word, wordColour(index)]));
        const others = words.filter((word) => !own.includes(word) && word !== MIXED);
        this.legend = {
            entries: [...own, ...(counts.has(MIXED) ? [MIXED] : [])].map((word) => ({ word, fill: this._colours.get(word) ?? OTHER })),
            others: others.length
        };
    }

    _measure(inner) {
        const numbers = inner.filter(Number.isFinite);
        const positive = numbers.filter((number) => number > 0);
        const [low, high] = [numbers.reduce((a, b) => Math.min(a, b), Infinity), numbers.reduce((a, b) => Math.max(a, b), -Infinity)];
        const least = Math.max(positive.reduce((a, b) => Math.min(a, b), Infinity), high / (this._facts.depth ?? Infinity));
        this.log = low >= 0 && high / least >= SPAN;
        const place = this.log ? (number) => Math.log(Math.max(number, least)) : (number) => number;
        const [from, to] = [place(low), place(high)];
        this._part = (number) => (to > from ? Math.min(1, Math.max(0, (place(number) - from) / (to - from))) : 1);
        this.legend = {
            stops: ramps(this._theme), same: low === high, high: numbers.length ? this._facts.text(high) : '',
            low: numbers.length ? (this.log && low < least ? `≤ ${this._facts.text(Number(least.toPrecision(2)))}` : this._facts.text(low)) : ''
        };
    }
}

function painted(fill, text, full) {
    return { fill, ink: ink(fill), text, full, odd: false };
}

/** The word for all that is inside. @param {string[]} words */
function said(words) {
    return words.length > 1 ? MIXED : words[0] ?? '';
}

/** A number of the user's in three digits. */
function measured(number, unit) {
    const size = Math.abs(number);
    const text = !Number.isFinite(number) ? spelled(number) : size >= 1e15 || (size < 1e-3 && size > 0) ? number.toExponential(2).replace(/^-/, '−')
        : size >= 1e4 ? `${number < 0 ? '−' : ''}${count(size)}` : String(Number(number.toPrecision(3))).replace('-', '−');
    return `${text} ${unit}`.trim();
}

const spelled = (number) => (Number.isNaN(number) ? 'NaN' : Number.isFinite(number) ? String(number) : number > 0 ? '∞' : '−∞');
