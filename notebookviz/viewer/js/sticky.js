/**
 * Titles that stay in sight: where a frame reaches beyond the upper or left edge of the window, its title stands at the edge, below those
 * of the frames round it and never outside of its own.
 */
import { line } from './text.js';

const HEIGHT = 23; // of a title, as in page.css
const NARROW = 56;

export class Sticky {

    /** @param {Document} document @param {{toggle: (node: any) => void, open: (node: any) => void}} actions */
    constructor(document, actions) {
        this._document = document;
        this._actions = actions;
        this._clusters = new Map();
        /** @type {Map<number, HTMLElement>} */
        this._titles = new Map();
        this._window = document.getElementById('target');
        this._layer = document.createElement('div');
        this._layer.className = 'nbv-sticky';
        this._window.addEventListener('scroll', () => this.update());
        this._sizes = new document.defaultView.ResizeObserver(() => this.update());
        this._sizes.observe(this._window);
    }

    /** @param {{value: any, rectangle: Element, title: Element, element: Element}[]} clusters The frames that are drawn now. */
    show(clusters) {
        if (!this._layer.isConnected) { // Netron empties its window before it draws something new
            this._window.prepend(this._layer);
            this._sizes.observe(this._document.getElementById('canvas'));
        }
        this._clusters = new Map(clusters.map((cluster) => [cluster.value.index, cluster]));
        this.update();
    }

    /** @param {number} id @returns {DOMRect|null} Where the sign that closes a frame stands, if it is here. */
    sign(id) {
        const title = this._titles.get(id);
        return title ? title.lastChild.getBoundingClientRect() : null;
    }

    /** Puts each title where it belongs in what is seen now. */
    update() {
        const places = this._places();
        for (const [id, title] of this._titles) {
            if (!places.has(id)) {
                title.remove();
                this._titles.delete(id);
                this._clusters.get(id)?.title.classList.remove('nbv-stuck');
            }
        }
        for (const [id, { x, y, width, depth }] of places) {
            const cluster = this._clusters.get(id);
            const title = this._titles.get(id) ?? this._make(cluster);
            cluster.title.classList.add('nbv-stuck');
            title.style.transform = `translate(${x}px,${y}px)`;
            title.style.maxWidth = `${width}px`;
            title.style.zIndex = String(-depth);
            this._colour(title, cluster);
        }
    }

    /** What the titles that have to stick go by: left and upper edge in the window, room, number of frames round it. */
    _places() {
        const found = new Map();
        const area = this._window.getBoundingClientRect();
        const { clientWidth, clientHeight } = this._window;
        const edges = new Map();
        /** Where a frame's title ends, for those inside it, and how deep it is. */
        const edge = (id) => {
            const cluster = this._clusters.get(id);
            if (!cluster) {
                return { end: 0, depth: 0 };
            }
            if (!edges.has(id)) {
                const outer = edge(Number(cluster.value.group ?? NaN));
                const frame = cluster.rectangle.getBoundingClientRect();
                const [x0, y0, right, bottom] = [frame.left - area.left, frame.top - area.top, frame.right - area.left, frame.bottom - area.top];
                const y = Math.min(Math.max(y0, outer.end), bottom - HEIGHT);
                const x = Math.max(x0, 0);
                const width = Math.min(right, clientWidth) - x;
                const sticks = (x > x0 + 1 || y > y0 + 1) && bottom > outer.end && y + HEIGHT <= clientHeight && width >= NARROW;
                if (sticks) {
                    found.set(id, { x, y, width, depth: outer.depth });
                }
                edges.set(id, { end: sticks ? Math.max(y + HEIGHT, 0) : outer.end, depth: outer.depth + 1 });
            }
            return edges.get(id);
        };
        [...this._clusters.keys()].forEach(edge);
        return found;
    }

    _make({ value: node }) {
        const create = (tag, name, parent, text = '') => {
            const element = this._document.createElement(tag);
            element.className = name;
            element.textContent = text;
            parent.append(element);
            return element;
        };
        const title = create('div', 'nbv-sticky-title', this._layer);
        title.dataset.id = String(node.index);
        const name = create('button', 'nbv-sticky-name', title);
        create('b', '', name, line(node.row.type, 32));
        create('span', 'nbv-sticky-path', name, node.caption.join(' · '));
        create('span', 'nbv-sticky-value', name);
        name.title = node.name;
        const close = create('button', 'nbv-sticky-close', title, '−');
        close.title = `Close ${node.name}`;
        close.setAttribute('aria-label', close.title);
        name.addEventListener('click', () => this._actions.open(node));
        close.addEventListener('click', () => this._actions.toggle(node));
        this._titles.set(node.index, title);
        return title;
    }

    /** The overlay's colour and value, as on the frame's own title. */
    _colour(title, { element, title: own }) {
        const valued = element.classList.contains('nbv-valued');
        title.classList.toggle('nbv-valued', valued);
        for (const name of ['--nbv-fill', '--nbv-ink']) {
            title.style.setProperty(name, valued ? element.style.getPropertyValue(name) : '');
        }
        title.querySelector('.nbv-sticky-value').textContent = valued ? own.querySelector('.nbv-value')?.firstChild.data ?? '' : '';
    }
}
