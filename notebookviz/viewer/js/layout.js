/**
 * The nested layout: each opened module is laid out alone, from the inside out, and is one box for what encloses it.
 * Values cross its border at ports, to the right of its title.  Runs in the worker, with Netron's dagre.
 *
 * Everything here is computed as if the graph ran downwards: `y` along the flow, `x` across; sideways is the transpose.
 */
import { solve } from './level.js';

const APART = 12;
const ABOVE = 6;
const BEND = 5;
const CACHED = 2000;

/**
 * @typedef {object} Box
 * @property {string} v
 * @property {number} width
 * @property {number} height
 * @property {string|null} [parent]
 */

export class Layout {

    /** @param {{layout: Function}} dagre */
    constructor(dagre) {
        this._dagre = dagre;
        this._cache = new Map();
    }

    /**
     * @param {{nodes: Box[], edges: object[], layout: object}} message As Netron sends it to its worker; gets `x`, `y`, sizes and `points`.
     */
    arrange(message) {
        if (message.edges.length === 0) {
            message.nodes.reverse(); // Netron turns them round for its own dagre
        }
        const sideways = message.layout.rankdir === 'LR' && message.edges.length > 0;
        const turn = (item) => {
            [item.width, item.height] = [item.height, item.width];
        };
        if (sideways) {
            message.nodes.forEach(turn);
            message.edges.forEach(turn);
        }
        const scene = new Scene(message, sideways, (problem) => this._solve(problem, message.layout));
        scene.place();
        if (sideways) {
            message.nodes.forEach(turn);
            message.edges.forEach(turn);
            for (const item of [...message.nodes, ...message.edges, ...message.edges.flatMap((edge) => edge.points)]) {
                [item.x, item.y] = [item.y, item.x];
            }
        }
    }

    /** Equal modules are solved once: the problem itself is the key. */
    _solve(problem, options) {
        const key = JSON.stringify(problem);
        let solved = this._cache.get(key);
        if (!solved) {
            solved = solve(this._dagre, problem, options);
            if (this._cache.size >= CACHED) {
                this._cache.clear();
            }
            this._cache.set(key, solved);
        }
        return solved;
    }
}

/** The boxes of one drawing, by what encloses them. */
class Scene {

    constructor(message, sideways, solve) {
        this._message = message;
        this._sideways = sideways;
        this._solve = solve;
        this._boxes = new Map(message.nodes.map((node) => [node.v, node]));
        this._scopes = new Map([[null, scope(null)]]);
        for (const node of message.nodes) {
            const parent = node.parent ?? null;
            if (parent !== null && !this._scopes.has(parent)) {
                this._scopes.set(parent, scope(this._boxes.get(parent)));
            }
        }
        for (const node of message.nodes) {
            this._scopes.get(node.parent ?? null).items.push(node.v);
        }
        this._routes = message.edges.map((edge) => this._route(edge));
    }

    place() {
        const visit = (id) => {
            const here = this._scopes.get(id);
            const inner = here.items.filter((item) => this._scopes.has(item));
            inner.forEach(visit);
            this._measure(here);
        };
        visit(null);
        this._position(this._scopes.get(null), 0, 0);
        for (const [position, edge] of this._message.edges.entries()) {
            this._draw(edge, this._routes[position]);
        }
    }

    /** The scopes from the outermost inwards that enclose a box. */
    _line(v) {
        const found = [];
        for (let parent = this._boxes.get(v).parent ?? null; parent !== null; parent = this._boxes.get(parent).parent ?? null) {
            found.unshift(parent);
        }
        return [null, ...found];
    }

    /** Which local edges, scope by scope, an edge is made of. */
    _route(edge) {
        const from = [...this._line(edge.v), edge.v];
        const to = [...this._line(edge.w), edge.w];
        let common = 0;
        while (from[common + 1] === to[common + 1] && common + 2 < from.length && common + 2 < to.length) {
            common += 1;
        }
        const steps = [];
        for (let depth = from.length - 2; depth > common; depth--) {
            const here = this._scopes.get(from[depth]);
            steps.push({ scope: here, leaves: true, port: edge.v, local: link(here, from[depth + 1], port(here, 'out', edge.v), edge.v, null) });
        }
        const here = this._scopes.get(from[common]);
        steps.push({ scope: here, local: link(here, from[common + 1], to[common + 1], edge.v, edge) });
        for (let depth = common + 1; depth < to.length - 1; depth++) {
            const inner = this._scopes.get(to[depth]);
            steps.push({ scope: inner, enters: true, port: edge.v, local: link(inner, port(inner, 'in', edge.v), to[depth + 1], edge.v, null) });
        }
        return steps;
    }

    _measure(here) {
        const indices = new Map();
        const items = [...here.items, ...here.in.values(), ...here.out.values()];
        items.forEach((item, index) => indices.set(item, index));
        const bundles = new Map();
        const bundle = ({ from, sources }) => {
            const key = [from, ...sources].join('\n\n');
            bundles.set(key, bundles.get(key) ?? bundles.size);
            return bundles.get(key);
        };
        const problem = {
            boxes: here.items.map((item) => {
                const inner = this._scopes.get(item);
                return inner ? [inner.solved.width, inner.solved.height] : [this._boxes.get(item).width, this._boxes.get(item).height];
            }),
            in: here.in.size,
            out: here.out.size,
            links: [...here.links.values()].map((item) => [indices.get(item.from), indices.get(item.to), item.width, item.height, item.minlen, item.weight, bundle(item)]),
            title: here.box ? [here.box.width, here.box.height] : null,
            sideways: this._sideways
        };
        here.solved = this._solve(problem);
        here.indices = indices;
    }

    _position(here, left, top) {
        here.left = left;
        here.top = top;
        for (const [index, item] of here.items.entries()) {
            const box = this._boxes.get(item);
            const [x, y] = here.solved.boxes[index];
            box.x = left + x;
            box.y = top + y;
            const inner = this._scopes.get(item);
            if (inner) {
                box.width = inner.solved.width;
                box.height = inner.solved.height;
                this._position(inner, box.x - box.width / 2, box.y - box.height / 2);
            }
        }
    }

    /** Where the points of a local edge go across: to the ports of the frames that it joins. */
    _across(here, local, edge, solved) {
        const xs = solved.points.map(([x]) => x);
        const end = (item, side) => {
            const inner = this._scopes.get(item);
            const place = here.indices.get(item);
            const port = inner && inner[side].get(edge.v);
            return port ? here.solved.boxes[place][0] - inner.solved.width / 2 + inner.solved.ports[inner.indices.get(port)][0] : null;
        };
        const [from, to] = [end(local.from, 'out'), end(local.to, 'in')];
        if (from === null && to === null) {
            return xs;
        }
        const middle = (item) => (here.solved.boxes[here.indices.get(item)] || here.solved.ports[here.indices.get(item)])[0];
        return steer(xs, from ?? middle(local.from), to ?? middle(local.to));
    }

    _draw(edge, steps) {
        const points = [];
        for (const { scope: here, local, leaves, enters, port: source } of steps) {
            const at = (x, y) => points.push({ x: here.left + x, y: here.top + y });
            if (enters) {
                const [x, y] = here.solved.ports[here.indices.get(here.in.get(source))];
                at(x, -ABOVE);
                at(x, 0);
                at(x, y);
            }
            const solved = here.solved.links[here.order.get(local)];
            const lane = (local.sources.indexOf(edge.v) - (local.sources.length - 1) / 2) * APART;
            const across = this._across(here, local, edge, solved);
            solved.points.forEach(([, y], index) => {
                // Netron's curve cuts corners: a line that comes from afar is in its lane before it passes between boxes.
                const x = across[index] + lane;
                at(x, y - (index === 0 ? BEND : 1));
                at(x, y);
                at(x, y + (index === solved.points.length - 1 ? BEND : 1));
            });
            const before = local.labels.indexOf(edge);
            if (before !== -1) {
                const [x, y] = solved.label || solved.points[Math.floor(solved.points.length / 2)];
                const half = Math.floor(across.length / 2);
                const shift = across[half] - solved.points[half][0];
                const above = local.labels.slice(0, before).reduce((sum, item) => sum + item.height, 0);
                edge.x = here.left + x + (edge.width - local.width) / 2 + shift;
                edge.y = here.top + y - local.height / 2 + above + edge.height / 2;
            }
            if (leaves) {
                const [x, y] = here.solved.ports[here.indices.get(here.out.get(source))];
                at(x, y);
                at(x, here.solved.height);
                at(x, here.solved.height + ABOVE);
            }
        }
        const middle = points[Math.floor(points.length / 2)]; // for a label without a size, as in a frame that is not rendered
        edge.x ??= middle.x;
        edge.y ??= middle.y;
        const clean = points.filter((point, index) => index === 0 || Math.hypot(point.x - points[index - 1].x, point.y - points[index - 1].y) > 0.5);
        const ends = [this._boxes.get(edge.v), this._boxes.get(edge.w)].map(({ x, y }) => ({ x, y }));
        edge.points = [ends[0], ...clean, ends[1]];
    }
}

/**
 * Steers a line to the ports at its ends: dagre aims at the middle of a frame, which makes it swing.
 * @param {number[]} xs Where dagre put the points.
 * @param {number} from @param {number} to Where the line starts and ends.
 * @returns {number[]}
 */
function steer(xs, from, to) {
    const between = (x, a, b) => Math.min(Math.max(x, Math.min(a, b)), Math.max(a, b));
    if (xs.length === 1) {
        return [between(xs[0], from, to)];
    }
    return xs.map((x, index) => {
        const before = index === 0 ? from : x;
        const after = index === xs.length - 1 ? to : x;
        return index === 0 ? between(x, before, xs[1]) : between(x, xs[index - 1], after);
    });
}

function scope(box) {
    return { box, items: [], in: new Map(), out: new Map(), links: new Map(), order: new Map() };
}

/** The port of a source in a scope: one per border and source, whoever takes it. */
function port(here, side, source) {
    if (!here[side].has(source)) {
        here[side].set(source, `${side}\n${source}`);
    }
    return here[side].get(source);
}

/** The local edge between two items of a scope, shared by all edges that run along it. */
function link(here, from, to, source, edge) {
    const key = `${from}\n\n${to}`;
    let found = here.links.get(key);
    if (!found) {
        found = { from, to, width: 0, height: 0, minlen: 1, weight: 1, sources: [], labels: [] };
        here.order.set(found, here.links.size);
        here.links.set(key, found);
    }
    if (!found.sources.includes(source)) {
        found.sources.push(source);
    }
    if (edge && edge.width > 0) {
        found.width = Math.max(found.width, edge.width);
        found.height += edge.height;
        found.labels.push(edge);
    }
    if (edge) {
        found.minlen = Math.max(found.minlen, edge.minlen || 1);
    }
    return found;
}
