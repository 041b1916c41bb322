/**
 * The structure view as a format that Netron reads: its model, graph, nodes and values, made from a recording.
 */
import { category } from './category.js';
import { digits, memory } from './format.js';
import { MOST, within } from './recording.js';
import { Tensor, TensorType } from './tensor.js';
import { cut, line } from './text.js';

const NAME = 120;

export class Argument {

    constructor(name, value, type = null) {
        this.name = name;
        this.value = value;
        this.type = type;
    }
}

/** Netron asks for the name of this class. */
export class Value {

    constructor(name, type, initializer = null) {
        this.name = name;
        this.type = type;
        this.initializer = initializer;
    }
}

export class Node {

    /** @param {Graph} graph @param {number} index */
    constructor(graph, index) {
        const row = graph.recording.nodes[index];
        this._graph = graph;
        this.index = index;
        this.row = row;
        this.opens = graph.recording.canOpen(index);
        this.name = line(named(row), NAME);
        this.blocks = [];
        this.chain = [];
        this.type = {
            name: line(row.type, NAME),
            module: line(row.qualified.includes('.') ? row.qualified.slice(0, row.qualified.lastIndexOf('.')) : '', NAME),
            category: category(row, this.opens),
            description: cut(row.doc, 4000),
            type: this.opens ? 'module' : undefined
        };
        this.attributes = [
            ...row.attributes.map(([name, value]) => new Argument(line(name), cut(value, 2000))),
            ...graph.scalars(index).map(([name, value]) => new Argument(name, value, 'tensor'))
        ];
    }

    /** The frame in which the node is drawn, as Netron groups nodes. */
    get group() {
        return this.row.parent === this._graph.root ? null : String(this.row.parent);
    }

    /** Its name inside its module; for a fold, which nodes it holds. */
    get label() {
        const { kind, name } = this.row;
        return line({ module: this._graph.recording.relative(this.index), fold: name, operator: '' }[kind], 40);
    }

    /** Which call of its module it is, if not the first, the experts it holds, and each mark as a word. */
    get notes() {
        const { call, kind } = this.row;
        const again = call > 0 && kind === 'module' ? [`call ${call + 1}`] : [];
        const experts = this._graph.recording.experts(this.index);
        return [...again, ...(experts ? [experts] : []), ...this.marks];
    }

    /** What sets it apart. */
    get marks() {
        return this._graph.recording.marks(this.index);
    }

    /** What stands below the type on the node. */
    get caption() {
        return [this.label, ...this.notes].filter(Boolean);
    }

    get inputs() {
        this._inputs ??= [...this._graph.taken(this.index), ...this._graph.weights(this.index)];
        return this._inputs;
    }

    get outputs() {
        this._outputs ??= this._graph.given(this.index);
        return this._outputs;
    }

    get metadata() {
        const row = this.row;
        const entries = [
            ['path', row.path], ['call', row.kind === 'module' ? `${row.call + 1}` : ''], ['marks', row.marks.join(', ')],
            ['error', row.message], ['hooks', row.hooks ? `${row.hooks} left out while looking` : '']
        ];
        return entries.filter(([, value]) => value).map(([name, value]) => new Argument(name, cut(value, 4000)));
    }

    get metrics() {
        const row = this.row;
        const entries = [
            ['parameters', row.params ? digits(row.params) : ''],
            ['trainable', row.params && row.trainable !== row.params ? digits(row.trainable) : ''],
            ['MACs', row.macs ? digits(row.macs) : ''], ['output memory', row.bytes ? memory(row.bytes) : '']
        ];
        const more = this._graph.overlay?.row(this.index);
        if (more && !entries.some(([name, value]) => name === more[0] && value)) {
            entries.push(more.map((text) => line(text)));
        }
        return entries.filter(([, value]) => value).map(([name, value]) => new Argument(name, value));
    }
}

export class Graph {

    /**
     * @param {import('./recording.js').Recording} recording
     * @param {(tensor: Tensor) => Promise<object>} fetch
     */
    constructor(recording, fetch) {
        this.recording = recording;
        this.name = line(recording.model, NAME);
        this.type = 'graph';
        this.groups = true;
        this._nodes = new Map();
        this._tensors = recording.initializers.map((data) => new Tensor(data, fetch));
        this._weights = this._tensors.map((tensor) => new Value(line(tensor.name, NAME), tensor.type, tensor));
        this._values = recording.values.map(([dtype, dims, device], index) => new Value(`value ${index}\n${index}`, new TensorType([dtype, [...dims], device])));
        this._connect();
        const own = (items, word) => items.map(([name, values]) => new Argument(line(name || word, 40), values.map((value) => this._values[value])));
        this._own = { inputs: own(recording.inputs, 'input'), outputs: own(recording.outputs, 'output') };
        this.metrics = totals(recording);
        this.metadata = [];
        /** @type {{row: (index: number) => [string, string]|null}|null} */
        this.overlay = null;
        this.open([]);
    }

    /**
     * @param {Iterable<number>} ids The opened modules.
     * @param {number} [root] The one that fills the canvas.
     * @param {number} [from] The first box that is drawn, where there are too many to draw all.
     */
    open(ids, root = 0, from = 0) {
        this.opened = new Set(ids);
        this.root = root;
        this._boxes = this.recording.boxes(this.opened, root);
        this.total = this._boxes.length;
        this.from = partOf(Math.max(0, Math.min(from, this.total - 1)));
        const { nodes, clusters } = this.recording.drawn(this._boxes, this.from, root);
        this.nodes = nodes.map((index) => this.node(index));
        this.clusters = clusters.map((index) => this.node(index));
        this.drawn = new Set([...nodes, ...clusters]);
        const { inputs, outputs } = root === 0 ? this._own : { inputs: this.taken(root), outputs: this.given(root) };
        this.ends = new Map([...inputs.map((each, position) => [each, `input-${position}`]), ...outputs.map((each, position) => [each, `output-${position}`])]);
        const joined = this._joined();
        this.inputs = inputs.filter(joined).slice(0, MOST);
        this.outputs = outputs.filter(joined).slice(0, MOST);
    }

    /** Tells of an input or output whether a box that is drawn takes or gives it; where all are drawn, all stand. */
    _joined() {
        if (this.nodes.length === this.total) {
            return () => true;
        }
        const inside = new Set(this.nodes.flatMap(({ index }) => [...this._inside(index)]));
        const joins = (ends) => [ends.from, ...ends.to].some((end) => inside.has(end));
        const places = new Map(this._values.map((value, index) => [value, index]));
        return ({ value }) => value.some((each) => joins(this.recording.ends().get(places.get(each)) ?? { to: [] }));
    }

    /** @param {number} index @returns {number|null} The first box of the part in which a node is drawn; null where it is in none. */
    part(index) {
        if (this.drawn.has(index)) {
            return this.from;
        }
        const place = this._boxes.findIndex((box) => box === index || this.recording.between(box, this.root).includes(index));
        return place < 0 ? null : partOf(place);
    }

    /** @param {number} index @returns {Node} The one object for this node. */
    node(index) {
        let node = this._nodes.get(index);
        if (!node) {
            node = new Node(this, index);
            this._nodes.set(index, node);
        }
        return node;
    }

    /** What ran, as one list, the first thousands of it: what Netron's find goes through. */
    whole() {
        const { nodes } = this.recording;
        const listed = nodes.filter(({ index, kind, parent, marks }) => index > 0 && kind !== 'fold' && !nodes[parent].leaf && !marks.includes('uncalled'));
        return { name: this.name, inputs: this.inputs, outputs: this.outputs, nodes: listed.slice(0, 5 * MOST).map(({ index }) => this.node(index)) };
    }

    /** Lets go of all values that were fetched. */
    forget() {
        for (const tensor of this._tensors) {
            tensor.forget();
        }
    }

    /** @param {number} index @returns {Argument[]} The values that flow into a node from outside. */
    taken(index) {
        const inside = this._inside(index);
        const flows = new Map();
        for (const item of inside) {
            for (const [name, values] of this.recording.computes(item) ? this.recording.nodes[item].inputs : []) {
                for (const value of values) {
                    if (!inside.has(this._made.get(value)) && !flows.has(value)) {
                        flows.set(value, name);
                    }
                }
            }
        }
        return this._named(this.recording.nodes[index].inputs, flows);
    }

    /** @param {number} index @returns {Argument[]} The values that a node makes and others, or nobody, take. */
    given(index) {
        const inside = this._inside(index);
        const row = this.recording.nodes[index];
        const flows = new Map();
        for (const value of row.outputs) {
            if (inside.has(this._made.get(value))) {
                flows.set(value, '');
            }
        }
        for (const item of inside) {
            for (const value of this.recording.nodes[item].outputs) {
                const takers = this._takers.get(value) || [];
                if (inside.has(this._made.get(value)) && takers.some((taker) => !inside.has(taker)) && !flows.has(value)) {
                    flows.set(value, '');
                }
            }
        }
        const values = [...flows.keys()];
        return values.map((value, position) => new Argument(values.length > 1 ? `output ${position}` : 'output', [this._values[value]]));
    }

    /** @param {number} index @returns {Argument[]} The stored tensors that stand on a node, by their names inside its module. */
    weights(index) {
        const row = this.recording.nodes[index];
        const used = this._inside(index).size <= 2 ? [...this._inside(index)].flatMap((item) => this.recording.nodes[item].inputs.flatMap(([, , initializers]) => initializers)) : [];
        const own = [...new Set([...row.initializers, ...used])];
        const drawn = own.filter((item) => used.includes(item) || !this._scalar(item));
        return drawn.map((item) => new Argument(this._relative(item, row), [this._weights[item]]));
    }

    /** @param {number} index @returns {[string, Value][]} Counters and other single numbers, which stand in the sidebar only. */
    scalars(index) {
        const row = this.recording.nodes[index];
        return row.initializers.filter((item) => this._scalar(item)).map((item) => [this._relative(item, row), this._weights[item]]);
    }

    _scalar(item) {
        return this.recording.initializers[item].type[1].length === 0 && this.recording.initializers[item].kind !== 'parameter';
    }

    /** A tied tensor goes by the name that it has inside the module it stands on. */
    _relative(item, row) {
        const { name, aliases } = this.recording.initializers[item];
        const own = [name, ...aliases].find((each) => row.path !== '' && each.startsWith(`${row.path}.`));
        return line(within(own ?? name, row.path), 40);
    }

    _named(declared, flows) {
        const found = [];
        for (const [name, values] of declared) {
            const here = values.filter((value) => flows.has(value));
            if (here.length > 0) {
                found.push(new Argument(line(name || 'input', NAME), here.map((value) => this._values[value])));
                here.forEach((value) => flows.delete(value));
            }
        }
        for (const [value, name] of flows) {
            found.push(new Argument(line(name || 'input', NAME), [this._values[value]]));
        }
        return found;
    }

    _inside(index) {
        const found = new Set();
        const add = (item) => {
            found.add(item);
            this.recording.children(item).forEach(add);
        };
        add(index);
        return found;
    }

    _connect() {
        this._made = new Map();
        this._takers = new Map();
        for (const [value, ends] of this.recording.ends()) {
            if (ends.from !== undefined) {
                this._made.set(value, ends.from);
            }
            this._takers.set(value, ends.to);
            if (typeof ends.from === 'number') {
                const row = this.recording.nodes[ends.from];
                const alone = row.kind === 'module' || this.recording.nodes[row.parent].leaf;
                const outputs = row.outputs.length > 1 ? `.${row.outputs.indexOf(value)}` : '';
                this._values[value].name = `${line([row.path, alone ? '' : row.type].filter(Boolean).join('.') || row.type, NAME)}${outputs}\n${value}`;
            } else if (ends.from !== undefined) {
                const position = Number(ends.from.split('-')[1]);
                this._values[value].name = `${line(this.recording.inputs[position][0] || 'input', NAME)}\n${value}`;
            }
        }
    }
}

export class Model {

    /** @param {Graph} graph */
    constructor(graph) {
        const data = graph.recording.data;
        this.format = 'PyTorch';
        this.name = graph.name;
        this.modules = [graph];
        this.metrics = totals(graph.recording);
        const entries = [
            ['mode', data.mode], ['input', data.input ? `${data.input}${data.inferred ? ' (inferred)' : ''}` : ''],
            ['traced', data.tensors === 'none' ? 'no forward pass was run' : `in ${data.seconds} s with ${data.tensors} tensors`],
            ...(data.notes || []).map((note, position) => [`note ${position + 1}`, note])
        ];
        this.metadata = entries.filter(([, value]) => value).map(([name, value]) => new Argument(name, cut(value, 2000)));
    }
}

/**
 * What Netron loads as the reader of `*.netron`.
 * @param {Graph} graph
 */
export function structureFormat(graph) {
    return {
        ModelFactory: class {
            async match(context) {
                return context.set('notebookviz', null);
            }
            async open() {
                return new Model(graph);
            }
        }
    };
}

/** The boxes are drawn in parts of `MOST`: the first of that in which a place lies. */
const partOf = (place) => place - place % MOST;

/** What a node is called as a whole. */
function named({ kind, path, type, name }) {
    return { module: path, operator: [path, type].filter(Boolean).join('.'), fold: `${type} ${name}`.trim() }[kind];
}

function totals(recording) {
    const { params, trainable, bytes, macs } = recording.totals;
    const entries = [['parameters', digits(params)], ['trainable', digits(trainable)], ['weights', memory(bytes)], ['MACs', digits(macs)]];
    return entries.map(([name, value]) => new Argument(name, value));
}
