/**
 * What the structure view adds to Netron's drawing: frames inside frames with titles, names below types, marks, and the
 * ids by which a drawn element can be found.  Hooks on the classes that Netron's grapher exports.
 */
import { Graph, Node } from './structure.js';
import { line } from './text.js';
import { Texts } from './texts.js';

const SVG = 'http://www.w3.org/2000/svg';
const MOVING = 420;
const STILL = 20;
const WIDE = 10;
const WORDY = 36;

/** The frames of each drawn graph; which modules are open may have changed since. */
const frames = new WeakMap();

/** Where each graph that is being drawn will stand. */
const origins = new WeakMap();

/**
 * @param {{Graph: any, Node: any, Argument: any}} grapher Netron's module.
 * @param {{toggle: (node: Node) => void, open: (node: Node) => void, show: (node: Node, source: string) => void, spread: (graph: any) => void, placed: (clusters: object[]) => void}} actions
 */
export function hookGrapher(grapher, actions) {
    const structural = (graph) => graph.target instanceof Graph;
    const texts = new Texts();
    let building = false;

    /** An opened module: Netron keeps plain objects for its clusters, ours can be found, selected and anchored. */
    class Cluster extends grapher.Node {

        constructor(name, node) {
            super();
            this.name = name;
            this.value = node;
        }

        activate(source) {
            actions.show(this.value, source);
        }
    }

    wrap(grapher.Graph.prototype, 'build', function build(original, document, origin) {
        if (structural(this)) {
            // Netron waits three frames for fonts to load; the page has none to load.
            this.measure = grapher.Graph.prototype.measure;
            this.restore = () => actions.spread(this);
            nest(this, Cluster);
            labelOnce(this);
            // What is built comes into the document when it has its place: until then the browser has nothing to lay out.
            const apart = document.createElementNS(SVG, 'g');
            origins.set(this, origin);
            building = true;
            try {
                original.call(this, document, apart);
                decorate(this, document, texts, actions);
            } finally {
                building = false;
            }
        } else {
            original.call(this, document, origin);
        }
    });

    wrap(grapher.Graph.prototype, 'update', function update(original) {
        original.call(this);
        if (structural(this)) {
            place(this);
            origins.get(this).append(...this._tunnelGroup.parentNode.childNodes);
            follow(this, actions.placed);
        }
    });

    wrap(grapher.Edge.prototype, 'build', function build(original, ...groups) {
        original.call(this, ...groups);
        if (building && this.labelElement) {
            texts.take(this.labelElement);
        }
    });

    wrap(grapher.Node.prototype, 'build', function build(original, document, parent) {
        if (this.value instanceof Node) {
            caption(this);
        }
        original.call(this, document, parent);
        if (this.value instanceof Node) {
            identify(this);
        }
        if (building) {
            this.element.querySelectorAll('text').forEach((text) => texts.take(text));
        }
    });

    wrap(grapher.Argument.prototype, 'build', function build(original, document, parent) {
        // Netron's brackets are empty boxes where no CJK font is installed.
        if (typeof this.content === 'string' && /^\u3008.*\u3009$/.test(this.content)) {
            const inside = this.content.slice(1, -1);
            this.content = inside ? ` ${inside}` : ' scalar';
        }
        original.call(this, document, parent);
        if (this.notebookviz) {
            this.element.classList.add('nbv-caption');
        }
    });
}

function wrap(prototype, name, replacement) {
    const original = prototype[name];
    if (typeof original !== 'function') {
        throw new Error(`Netron's grapher has no '${name}' where notebookviz expects it.`);
    }
    prototype[name] = function wrapped(...args) {
        return replacement.call(this, original, ...args);
    };
}

/** Netron 9.3 makes one frame per node and never puts frames into frames: make those that are missing, link them all. */
function nest(graph, Cluster) {
    const name = (index) => `${index}\ngroup`;
    for (const node of graph.target.clusters) {
        graph.setNode(new Cluster(name(node.index), node));
    }
    for (const node of graph.target.clusters) {
        graph._table.set(node, graph.node(name(node.index)).label);
        if (node.group !== null) {
            graph.setParent(name(node.index), name(node.group));
        }
    }
}

/** The shape of a value is drawn on the first of its edges only. */
function labelOnce(graph) {
    const seen = new Set();
    for (const { label } of graph.edges.values()) {
        if (seen.has(label.value)) {
            delete label.label;
        }
        seen.add(label.value);
    }
}

function decorate(graph, document, texts, actions) {
    const clusters = graph.target.clusters.map((node) => graph._table.get(node));
    frames.set(graph, clusters);
    for (const cluster of clusters) {
        cluster.element.parentNode.appendChild(cluster.element);
        name(cluster.element, cluster.value);
        cluster.element.classList.toggle('nbv-failed', isFailed(cluster.value));
        title(cluster, document, actions);
        cluster.title.querySelectorAll('text').forEach((text) => texts.take(text));
    }
    clusters.forEach(fit);
    for (const { label: item } of graph.nodes.values()) {
        const end = graph.target.ends.get(item.value);
        if (end) {
            item.element.setAttribute('data-id', end);
        }
    }
    for (const { label: edge } of graph.edges.values()) {
        const ends = [edge.from, edge.to].map((end) => end.element.getAttribute('data-id'));
        edge.element.setAttribute('data-edge', ends.join('>'));
        if (edge.labelElement) {
            edge.labelElement.setAttribute('data-label', ends.join('>'));
        }
    }
}

/** The title of a frame: type and name, which open the sidebar, and a box that closes the module. */
function title(cluster, document, actions) {
    const node = cluster.value;
    const create = (tag, parent, attributes) => {
        const element = document.createElementNS(SVG, tag);
        for (const [key, value] of Object.entries(attributes)) {
            element.setAttribute(key, value);
        }
        parent.appendChild(element);
        return element;
    };
    const group = create('g', cluster.element, { class: 'nbv-title' });
    const name = create('g', group, { class: 'nbv-title-name' });
    create('path', name, {});
    const text = create('text', name, { x: 8 });
    create('tspan', text, { class: 'nbv-title-type' }).textContent = line(node.row.type, 32);
    create('tspan', text, { class: 'nbv-title-path', dx: 6 }).textContent = node.caption.join(' · ');
    create('title', name, {}).textContent = node.name;
    const toggle = create('g', group, { class: 'nbv-title-toggle', role: 'button' });
    create('path', toggle, {});
    create('text', toggle, {}).textContent = '−';
    create('title', toggle, {}).textContent = `Close ${node.name}`;
    name.addEventListener('click', (event) => {
        event.stopPropagation();
        actions.open(node);
    });
    toggle.addEventListener('click', (event) => {
        event.stopPropagation();
        actions.toggle(node);
    });
    cluster.title = group;
    cluster.definition = { element: toggle };
}

/** Gives a title the size of its texts. */
function fit(cluster) {
    const [[back, text], [button, sign]] = [...cluster.title.children].map((part) => part.children);
    const box = text.getBBox();
    const mark = sign.getBBox();
    const width = Math.ceil(box.width) + 16;
    const height = Math.ceil(box.height) + 8;
    const side = Math.ceil(mark.width) + 2 * WIDE;
    text.setAttribute('y', 4 - box.y);
    sign.setAttribute('x', width + WIDE);
    sign.setAttribute('y', (height - mark.height) / 2 - mark.y);
    back.setAttribute('d', `M0,${height}v${5 - height}a5,5 0 0 1 5,-5h${width - 5}v${height}z`);
    button.setAttribute('d', `M${width},0h${side}v${height - 5}a5,5 0 0 1 -5,5h${5 - side}z`);
    cluster.width = width + side;
    cluster.height = height;
}

/** Puts the titles where their frames are. @returns {boolean} Whether any frame had moved. */
function place(graph) {
    let moved = false;
    for (const { title: group, rectangle } of frames.get(graph)) {
        const place = `translate(${rectangle.getAttribute('x')},${rectangle.getAttribute('y')})`;
        if (group.getAttribute('transform') !== place) {
            group.setAttribute('transform', place);
            moved = true;
        }
    }
    return moved;
}

/** Netron animates the frames, in a large graph not at once; the titles go with them until all has long stood still. */
function follow(graph, placed) {
    const started = performance.now();
    let still = 0;
    let shown = false;
    const step = (now) => {
        const connected = graph._tunnelGroup.isConnected;
        if (shown && !connected) { // another drawing has taken its place
            return;
        }
        still = place(graph) || connected !== shown ? 0 : still + 1;
        shown = connected;
        if (still < 2) {
            placed(frames.get(graph));
        }
        if (still < STILL || now - started < MOVING) {
            requestAnimationFrame(step);
        }
    };
    requestAnimationFrame(step);
}

/** The second line of a node, and the box that opens it. */
function caption(item) {
    const node = item.value;
    if (node.opens && item.definition) {
        item.definition.content = '+';
        item.definition.tooltip = `Open ${node.name}`;
        item.definition.padding = WIDE;
    }
    const named = item.context.options.names && node.row.kind === 'module'; // then the name stands in the header
    if (!item.context.options.names) {
        const { kind, type } = node.row;
        item.blocks[0]._entries[0].content = line(kind === 'operator' ? type.split('.').pop() : type, WORDY);
    }
    const words = [named ? line(node.row.type, 40) : node.label, ...node.notes].filter(Boolean);
    if (words.length > 0) {
        const list = item.list();
        item.blocks.splice(1, 0, item.blocks.pop());
        const argument = list.argument(words.join(' · '), '');
        argument.notebookviz = true;
        argument.tooltip = node.name;
        list.add(argument);
        list.on('click', () => item.context.activate(node, 'target'));
    }
}

function identify(item) {
    const node = item.value;
    name(item.element, node);
    for (const mark of node.marks) {
        item.element.classList.add(`nbv-${mark}`);
    }
    item.element.classList.toggle('nbv-failed', isFailed(node));
    item.element.classList.toggle('nbv-module', node.type.category === 'module');
    if (node.opens) {
        item.definition.element.classList.add('nbv-toggle');
    }
}

function name(element, node) {
    element.setAttribute('data-id', node.index);
    if (node.group !== null) {
        element.setAttribute('data-frame', node.group);
    }
}

const isFailed = (node) => node.row.marks.includes('failed');
