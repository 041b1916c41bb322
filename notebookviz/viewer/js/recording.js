/**
 * The encoded recording (see docs/architecture.md), and what of it is visible for a set of opened modules.
 */

/**
 * @typedef {object} Row One module call, operator or fold, with every key present.
 * @property {number} index
 * @property {number} parent
 * @property {'module'|'operator'|'fold'} kind
 * @property {string} type
 * @property {string} qualified
 * @property {string} path
 * @property {number} call
 * @property {[string, number[], number[]][]} inputs
 * @property {number[]} outputs
 * @property {[string, string][]} attributes
 * @property {number[]} initializers
 * @property {number} macs
 * @property {string[]} marks
 * @property {string} message
 * @property {string} repr
 * @property {string} doc
 * @property {[string, number, string, string]|null} source
 * @property {number} hooks
 * @property {number} params
 * @property {number} trainable
 * @property {number} bytes
 * @property {number} leaf
 * @property {string} expression Modules only: what to write in Python behind the model's name.
 * @property {string} name Folds only: which nodes it holds.
 * @property {number} repeats Folds only: how many equal units they are; 0 for operators that stand together.
 */

/** @typedef {number|string} End A node's index, or `input-0`, `output-0` for the model's own inputs and outputs. */

/**
 * @typedef {object} Visible What is drawn for one set of opened modules.
 * @property {number[]} nodes drawn as boxes, in the order they ran
 * @property {number[]} clusters opened modules drawn as frames, outermost first (never the one that fills the canvas)
 */

/** Boxes that are drawn at a time: a browser takes gigabytes for tens of thousands. */
export const MOST = 1000;

const DEFAULTS = Object.freeze({
    parent: -1, kind: 'operator', type: '', qualified: '', path: '', call: 0, inputs: [], outputs: [], attributes: [],
    initializers: [], macs: 0, marks: [], message: '', repr: '', doc: '', source: null, hooks: 0, params: 0,
    trainable: 0, bytes: 0, leaf: 0, expression: '', name: '', repeats: 0
});

export class Recording {

    /** @param {object} data The decoded JSON object. */
    constructor(data) {
        if (!data || data.format !== 1 || !Array.isArray(data.nodes) || data.nodes.length === 0) {
            throw new Error('This recording was made by another version of notebookviz. Show the model again.');
        }
        this.data = data;
        this.model = data.model;
        this.mode = data.mode;
        this.tensors = data.tensors;
        this.values = data.values;
        this.initializers = data.initializers;
        this.inputs = data.inputs;
        this.outputs = data.outputs;
        this.totals = data.totals;
        this.failure = data.failure;
        /** @type {Row[]} */
        this.nodes = data.nodes.map((node, index) => ({ ...DEFAULTS, ...node, index, parent: index ? node.parent || 0 : -1 }));
        this._fold(data.folds || []);
        this._connect();
    }

    /**
     * @param {Uint8Array} bytes Gzipped JSON, as `graph/encode.py` packs it.
     * @returns {Promise<Recording>}
     */
    static async unpack(bytes) {
        const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
        return new Recording(JSON.parse(await new Response(stream).text()));
    }

    /** @param {number} index @returns {number[]} */
    children(index) {
        return this._children[index];
    }

    /** Children that ran; where nothing could be run, all of them. @param {number} index @returns {number[]} */
    shown(index) {
        return this._children[index].filter((child) => this.tensors === 'none' || !this.nodes[child].marks.includes('uncalled'));
    }

    /** @param {number} index @returns {boolean} Whether this is a module call that opens in place. */
    canOpen(index) {
        const node = this.nodes[index];
        return Boolean(node) && node.kind !== 'operator' && !node.leaf && this.shown(index).length > 0;
    }

    /** @param {number} index @returns {boolean} Whether it is a row of the module table: a module call, or a fold of such. */
    isRow(index) {
        const { kind, repeats } = this.nodes[index];
        return kind === 'module' || (kind === 'fold' && repeats > 0);
    }

    /**
     * What sets a node apart: where nothing could be run, that it was not called does not; a size that was assumed right inside a module does.
     * @param {number} index
     * @returns {string[]}
     */
    marks(index) {
        const { kind, marks } = this.nodes[index];
        if (this.tensors === 'none') {
            return marks.filter((mark) => mark !== 'uncalled');
        }
        const assumed = kind === 'module' && index > 0 && this._children[index].some((child) => this.nodes[child].kind === 'operator' && this.nodes[child].marks.includes('assumed'));
        return assumed ? [...marks, 'assumed'] : marks;
    }

    /** @param {number} index @returns {string} `8 × 28672×4096`, where a module holds all experts of a mixture in one tensor; `''` for others. */
    experts(index) {
        const { kind, type, path, initializers } = this.nodes[index];
        if (kind !== 'module' || !/expert/i.test(`${type} ${path.split('.').pop()}`)) {
            return '';
        }
        const shapes = initializers.map((each) => this.initializers[each]).filter((each) => each.kind === 'parameter').map(({ type: [, dims] }) => dims);
        const largest = shapes.filter((dims) => dims.length > 2).sort((one, other) => size(other) - size(one))[0];
        return largest && shapes.every(([first]) => first === largest[0]) ? `${largest[0]} × ${largest.slice(1).join('×')}` : '';
    }

    /** @param {number} index @returns {number[]} The enclosing module calls, innermost first, the root last. */
    ancestors(index) {
        const found = [];
        for (let parent = this.nodes[index].parent; parent >= 0; parent = this.nodes[parent].parent) {
            found.push(parent);
        }
        return found;
    }

    /**
     * The name of a node as seen from inside its enclosing module: `conv1`, or `0.conv1` where a list lies between.
     * @param {number} index
     * @returns {string}
     */
    relative(index) {
        const node = this.nodes[index];
        return node.parent >= 0 ? within(node.path, this.nodes[node.parent].path) : node.path;
    }

    /** @param {Iterable<number>} ids What is open. @param {number} [root] What fills the canvas. @returns {number[]} All boxes, in the order they ran. */
    boxes(ids, root = 0) {
        const opened = new Set(ids);
        const found = [];
        const visit = (index) => {
            if (index === root ? this.shown(root).length > 0 : opened.has(index) && this.canOpen(index)) {
                this.shown(index).forEach(visit);
            } else {
                found.push(index);
            }
        };
        visit(root);
        return found;
    }

    /** What is drawn of all boxes. @param {number[]} boxes @param {number} from The first of them. @param {number} [root] @returns {Visible} */
    drawn(boxes, from, root = 0) {
        const nodes = boxes.slice(from, from + MOST);
        const clusters = nodes.flatMap((index) => this.between(index, root));
        return { nodes, clusters: [...new Set(clusters)] };
    }

    /** What encloses a node inside what fills the canvas, outermost first. @param {number} index @param {number} root */
    between(index, root) {
        const above = this.ancestors(index);
        return above.slice(0, Math.max(0, above.indexOf(root))).reverse();
    }

    /** @param {number} index @returns {boolean} Whether values start and end here: an operator, or a module call in which none ran or that failed. */
    computes(index) {
        const { kind, marks } = this.nodes[index];
        return kind === 'operator' || (kind === 'module' && index > 0 && (!this._ran[index] || marks.includes('failed')));
    }

    /** @returns {Map<number, {from: End|undefined, to: End[]}>} Who makes and who takes each value. */
    ends() {
        return this._ends;
    }

    /** Folds follow the nodes; each stands where the first of what it holds stood. @param {object[]} folds */
    _fold(folds) {
        const real = this.nodes.length;
        for (const { nodes, ...fold } of folds) {
            const index = this.nodes.length;
            const outputs = this.nodes[nodes[nodes.length - 1]].outputs;
            this.nodes.push({ ...DEFAULTS, ...fold, outputs: fold.repeats ? outputs : [], kind: 'fold', index, path: this.nodes[fold.parent].path });
            nodes.forEach((member) => {
                this.nodes[member].parent = index;
            });
        }
        /** @type {number[][]} */
        this._children = this.nodes.map(() => []);
        for (const { index, parent } of this.nodes.slice(1, real)) {
            if (parent >= real && this._children[parent].length === 0) {
                this._children[this.nodes[parent].parent].push(parent);
            }
            this._children[parent].push(index);
        }
    }

    /** Who makes and who takes each value: operators, and module calls in which no operator ran or that failed. */
    _connect() {
        const ran = this._ran = new Array(this.nodes.length).fill(false);
        for (const { index, kind } of this.nodes) {
            for (let id = index; kind === 'operator' && id >= 0 && !ran[id]; id = this.nodes[id].parent) {
                ran[id] = true;
            }
        }
        /** @type {Map<number, {from: End|undefined, to: End[]}>} */
        this._ends = new Map();
        const ends = (value) => {
            if (!this._ends.has(value)) {
                this._ends.set(value, { from: undefined, to: [] });
            }
            return this._ends.get(value);
        };
        for (const [position, [, values]] of this.inputs.entries()) {
            for (const value of values) {
                ends(value).from ??= `input-${position}`;
            }
        }
        for (const node of this.nodes) {
            if (this.computes(node.index)) {
                const taken = new Set(node.inputs.flatMap(([, values]) => values));
                for (const value of node.outputs) {
                    if (!taken.has(value)) {
                        ends(value).from ??= node.index;
                    }
                }
                for (const value of taken) {
                    ends(value).to.push(node.index);
                }
            }
        }
        for (const [position, [, values]] of this.outputs.entries()) {
            for (const value of new Set(values)) {
                ends(value).to.push(`output-${position}`);
            }
        }
    }
}

const size = (dims) => dims.reduce((product, dim) => product * dim, 1);

/**
 * A dotted path as seen from inside another.
 * @param {string} path
 * @param {string} outer
 * @returns {string}
 */
export function within(path, outer) {
    return outer !== '' && path.startsWith(`${outer}.`) ? path.slice(outer.length + 1) : path;
}
