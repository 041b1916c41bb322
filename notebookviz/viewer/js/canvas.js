/**
 * Where the drawing stands in its window: the first fit, the kept view, and how much of it is seen.
 */

const MARGIN = 24;
const SMALLEST = 0.6; // zoom, for the sake of the width
const READABLE = 0.75; // where that shows the whole height
const ROOM = 0.9;

export class Canvas {

    /** @param {Document} document @param {() => any} target Gives Netron's drawn graph. */
    constructor(document, target) {
        this._document = document;
        this._window = document.getElementById('target');
        this._target = target;
        this._size = this._measured();
        this._kept = null;
        this._spread = null;
        this._fitted = null;
        this._window.addEventListener('scroll', () => this.keep());
        document.defaultView.addEventListener('resize', () => this._resized());
    }

    /** Remembers what is seen, to come back to when the window gets another size. */
    keep() {
        if (this._target() && same(this._size, this._measured())) {
            this._kept = this.view;
        }
    }

    /** What was fitted fits again; else what is seen keeps its place below the middle of the upper edge. */
    _resized() {
        const target = this._target();
        if (same(this._size, this._measured()) || !this.shown) {
            return;
        }
        this._size = this._measured();
        if (!target) {
            return;
        }
        if (target === this._spread) {
            this.spread(target);
        }
        if (!this._kept) {
            return;
        }
        if (this._fitted && same(this._fitted, this._state(this._kept))) {
            this.fit(this._sideways);
        } else {
            this.view = this._kept;
        }
    }

    /** The size of the whole page: the sidebar, which takes room from the window, does not count. */
    _measured() {
        const { innerWidth, innerHeight } = this._document.defaultView;
        return [innerWidth, innerHeight];
    }

    _state({ zoom, x, y }) {
        const { width, height } = this._target();
        return [zoom, x, y, width, height];
    }

    /**
     * Gives a graph its place, at the zoom that is now, with an unseen margin: without it a small graph is centred and what was
     * clicked can't keep its place.  Stands in for Netron's own, which measures all that is drawn, at another zoom.
     */
    spread(graph) {
        this._spread = graph;
        const [canvas, background, origin] = ['canvas', 'background', 'origin'].map((id) => this._document.getElementById(id));
        const zoom = this._target()?.zoom ?? 1;
        const [across, along] = this._size.map((length) => ROOM * length / zoom);
        const width = Math.ceil(graph.width + 2 * across);
        const height = Math.ceil(graph.height + 2 * along);
        for (const element of [background, canvas]) {
            element.setAttribute('width', width);
            element.setAttribute('height', height);
        }
        canvas.setAttribute('viewBox', `0 0 ${width} ${height}`);
        canvas.style.width = `${zoom * width}px`;
        canvas.style.height = `${zoom * height}px`;
        origin.setAttribute('transform', `translate(${across - graph.originX},${along - graph.originY})`);
        Object.assign(graph, { _width: width, _height: height, _zoom: zoom });
    }

    get shown() {
        return this._window.clientWidth > 40 && this._window.clientHeight > 40;
    }

    /** Fits the drawing to the width, and to the height where it is read with ease then; its top in view, never enlarged. */
    fit(sideways = false) {
        const target = this._target();
        this._sideways = sideways;
        const fits = [this._window.clientWidth / (target.width + 2 * MARGIN), this._window.clientHeight / (target.height + 2 * MARGIN)];
        const [across, along] = sideways ? fits.reverse() : fits;
        target.zoom = Math.min(1, Math.max(SMALLEST, Math.min(across, along < READABLE ? 1 : along)));
        const { originX: x, originY: y, width, height, zoom } = target;
        const wide = width * zoom + 2 * MARGIN > this._window.clientWidth;
        const high = height * zoom + 2 * MARGIN > this._window.clientHeight;
        const first = this._document.querySelector('.graph-input, .graph-node');
        const start = first ? centre(first) : { x: x + width / 2, y: y + height / 2 };
        if (sideways) {
            this._scroll(wide ? x - MARGIN / zoom : x + width / 2 - this._window.clientWidth / zoom / 2, (high ? start.y : y + height / 2) - this._window.clientHeight / zoom / 2);
        } else {
            this._scroll((wide ? start.x : x + width / 2) - this._window.clientWidth / zoom / 2, y - MARGIN / zoom);
        }
        this.keep();
        this._fitted = this._state(this.view);
    }

    /** @returns {{zoom: number, x: number, y: number}} Zoom, and the point of the drawing at the middle of the upper edge. */
    get view() {
        const matrix = this._matrix();
        const box = this._window.getBoundingClientRect();
        const round = (value) => Math.round(value * 10) / 10;
        return {
            zoom: this._target().zoom,
            x: round((box.left + this._window.clientWidth / 2 - matrix.e) / matrix.a),
            y: round((box.top - matrix.f) / matrix.d)
        };
    }

    set view({ zoom, x, y }) {
        this._target().zoom = zoom;
        this._scroll(x - this._window.clientWidth / this._target().zoom / 2, y);
    }

    /** @param {Element} element @returns {boolean} Whether any part of it is in the window. */
    holds(element) {
        const inner = element.getBoundingClientRect();
        const outer = this._window.getBoundingClientRect();
        return inner.bottom > outer.top && inner.top < outer.bottom && inner.right > outer.left && inner.left < outer.right;
    }

    /** Brings a point of the drawing to the upper left corner. */
    _scroll(x, y) {
        const matrix = this._matrix();
        const box = this._window.getBoundingClientRect();
        this._window.scrollLeft += matrix.e + x * matrix.a - box.left;
        this._window.scrollTop += matrix.f + y * matrix.d - box.top;
        const target = this._target();
        delete target._scrollLeft;
        delete target._scrollTop;
    }

    _matrix() {
        return this._document.getElementById('origin').getScreenCTM();
    }
}

const same = (one, other) => one.every((number, index) => Math.abs(number - other[index]) < 1);

function centre(element) {
    const { e, f } = element.transform.baseVal.consolidate().matrix;
    const box = element.getBBox();
    return { x: e + box.x + box.width / 2, y: f + box.y + box.height / 2 };
}
