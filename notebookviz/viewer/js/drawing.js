/**
 * Netron's view, with what the structure view needs: modules that open in place, one selection, fresh values, safe texts.
 */
import { Canvas } from './canvas.js';
import { codeOf, codeSection } from './code.js';
import { watchDoubleClicks } from './clicks.js';
import { Paint } from './paint.js';
import { picture } from './picture.js';
import { Lights } from './lights.js';
import { move, stand } from './motion.js';
import { Sidebar } from './sidebar.js';
import { Sticky } from './sticky.js';
import { MOST } from './recording.js';
import { Graph, Node } from './structure.js';
import { hookGrapher } from './titles.js';
import { escaped } from './text.js';
import { rendered } from './texts.js';

/** Entries of Netron's menu that make no sense inside a panel. */
const ABSENT = ['&Open...', 'Report &Issue'];

/**
 * @param {{View: any}} netron Netron's view module.
 * @param {any} grapher Netron's grapher module.
 * @param {import('./host.js').Host} host
 * @param {(message: object) => void} post
 * @returns {any} The view.
 */
export function createDrawing(netron, grapher, host, post) {
    const still = host.window.matchMedia('(prefers-reduced-motion: reduce)');

    class Drawing extends netron.View {

        constructor() {
            super(host);
            this.canvas = new Canvas(host.document, () => this.target);
            this._wanted = null;
            this._updating = null;
            this._views = new Map();
            this._lights = new Lights(host.document);
            this._hits = { ids: [], within: [], current: null };
            this._paint = new Paint(host.document);
            this.side = new Sidebar(host.document);
            this.variable = '';
            this._posted = null;
        }

        get structure() {
            return this.activeTarget instanceof Graph ? this.activeTarget : null;
        }

        get target() {
            return super.target;
        }

        set target(value) {
            super.target = value;
            if (value) {
                this._watch(value);
            }
        }

        async start() {
            await super.start();
            for (const group of this._menu.items) {
                group.items.filter((item) => ABSENT.includes(item.label)).forEach((item) => this._menu.unregister(item));
                group.items = group.items.filter((item) => !ABSENT.includes(item.label));
            }
        }

        /** Changes which modules are open; what comes while one change is drawn is drawn after it, all at once. */
        update(ids, anchor, root, from) {
            this._wanted = { ids, anchor: anchor ?? null, root: root ?? 0, from };
            this._updating ??= this._work().finally(() => {
                this._updating = null;
            });
            return this._updating;
        }

        async _work() {
            while (this._wanted) {
                await rendered(host.document);
                const { ids, anchor, root, from } = this._wanted;
                const { root: before, from: part } = this.structure;
                this._views.set(before, { ...this.canvas.view, from: part });
                this._wanted = null;
                const start = from ?? this._views.get(root)?.from;
                await this._redraw(() => this.structure.open(ids, root, start), anchor, () => {
                    if (before !== root) {
                        this._arrive(root);
                    } else if (this.structure.from !== part) {
                        this.fit();
                    }
                });
            }
        }

        /** Draws the next part of more boxes than are drawn at a time, or the one before. @param {1|-1} step */
        turn(step) {
            const { opened, root, from } = this.structure;
            this.update([...opened], null, root, from + step * MOST);
        }

        /** Draws again in the same canvas; what was clicked, zoom and selection keep their place. */
        async _redraw(change, anchor, arrive) {
            const start = performance.now();
            const selected = this.target ? [...this.target.selection].map((item) => item.value) : [];
            const spots = this._spots(anchor);
            this._lights.forget();
            const { from } = this.structure;
            change();
            const spot = spots.find(({ node }) => this.structure.drawn.has(node.index));
            const rect = spot && (this.structure.opened.has(spot.node.index) ? null : this.sticky.sign(spot.node.index)) || spot?.rect;
            const before = stand(host.document, this.target);
            this._keeping = true;
            try {
                await this.refresh(spot ? { value: spot.node, rect } : null);
            } finally {
                this._keeping = false;
            }
            if (arrive) {
                arrive();
            }
            if (!still.matches && this.structure.from === from) {
                move(host.document, this.target, before);
            }
            const chosen = typeof this._posted === 'number' ? [this.structure.node(this._posted)] : []; // may come from another part
            const [kept, back] = [selected, chosen].map((values) => values.filter((value) => this.target.find(value)));
            if (kept.length + back.length > 0) {
                this.target.select(kept.length > 0 ? kept : back, 'panel');
            }
            this._paint.apply();
            this._light();
            await this.drawn(start);
        }

        /** Another module fills the canvas: as it was left, or fitted. */
        _arrive(root) {
            if (this._views.has(root)) {
                this.canvas.view = this._views.get(root);
            } else {
                this.fit();
            }
        }

        /** Places that may be kept, best first: what was clicked, else what is seen nearest to the middle. */
        _spots(anchor) {
            const rectangle = (item) => (item.definition ? item.definition.element : item.element).getBoundingClientRect();
            const items = [...this.target.nodes.values()].map(({ label }) => label).filter((label) => label.value instanceof Node && label.element);
            const wanted = items.filter(({ value }) => value.index === anchor).map((item) => ({ node: item.value, rect: rectangle(item) }));
            const area = host.document.getElementById('target').getBoundingClientRect();
            const middle = { x: area.left + area.width / 2, y: area.top + area.height / 2 };
            const seen = items.filter((item) => this.canvas.holds(item.element)).map((item) => ({ node: item.value, rect: rectangle(item) }));
            const distance = ({ rect }) => Math.hypot(rect.left - middle.x, rect.top - middle.y);
            return [...wanted, ...seen.sort((a, b) => distance(a) - distance(b))];
        }

        /** Settles when no change waits to be drawn. */
        async settled() {
            await this._updating;
        }

        /** Options kept from earlier. @param {object|undefined} options */
        configure(options) {
            host.keep(options);
            Object.assign(this.options, options);
        }

        /** Closes the sidebar and keeps this node selected. @param {number} id */
        uncover(id) {
            this.side.close();
            this.target.select([this.structure.node(id)], 'panel');
            this._next = id; // what the sidebar did to the selection is no choice
        }

        /** Tells the panel what is drawn, once it is painted. */
        async drawn(start) {
            this._lights.forget();
            await new Promise((resolve) => {
                requestAnimationFrame(() => requestAnimationFrame(resolve));
            });
            const graph = this.structure;
            post({
                type: 'drawn',
                nodes: graph ? [...graph.drawn] : [],
                boxes: graph ? graph.nodes.length : 0,
                from: graph ? graph.from : 0,
                total: graph ? graph.total : 0,
                edges: this.target ? this.target.edges.size : 0,
                milliseconds: Math.round(performance.now() - start)
            });
            this.moved();
        }

        /** Tells the panel where the view stands. */
        moved() {
            this.canvas.keep();
            if (this.target && this.structure) {
                post({ type: 'view', ...this.canvas.view, from: this.structure.from });
            }
        }

        fit() {
            this.canvas.fit(this.options.direction !== 'vertical');
        }

        /** Selects a node; first draws the part in which it is. @param {number|null} id @param {{scroll?: boolean, sidebar?: boolean}} how */
        async choose(id, { scroll, sidebar } = {}) {
            if (!this.target || !this.structure) {
                return;
            }
            const { opened, root, from } = this.structure;
            const part = id === null ? null : this.structure.part(id);
            if (part !== null && part !== from) {
                await this.update([...opened], null, root, part);
            }
            const changed = this._posted !== id;
            this._posted = id;
            if (this._first) {
                this._first.selected = id;
            }
            const node = id === null ? null : this.structure.node(id);
            const drawn = node !== null && Boolean(this.target.find(node));
            if (changed && this.side.describes) {
                if (drawn) {
                    this.showNodeProperties(node, 'panel');
                } else {
                    this.side.close();
                }
                this._next = id; // what the sidebar did to the selection is no choice
            }
            if (!drawn) {
                this.target.select(null, 'panel');
                return;
            }
            const elements = sidebar ? this.target.activate(node, 'panel') : this.target.select([node], 'panel');
            if (scroll) {
                const { title } = this.target.find(node);
                this.target.scrollTo(title ? [title] : elements);
            }
        }

        /** Lights the hits of the panel's find. */
        light(ids, within, current) {
            this._hits = { ids: ids || [], within: within || [], current: current ?? null };
            this._light();
        }

        /** Colours nodes and frames by the panel's overlay; nothing is drawn again. @param {object|null} overlay */
        colour(overlay) {
            this._paint.overlay = overlay;
            if (this.structure) {
                this.structure.overlay = this._paint;
                this._paint.apply();
                this.sticky.update();
                this._refill();
            }
        }

        /** Fills the sidebar anew, if it describes the selected node. */
        _refill() {
            if (this.side.describes && typeof this._posted === 'number') {
                this.showNodeProperties(this.structure.node(this._posted), 'panel');
                this._next = this._posted; // what the sidebar did to the selection is no choice
            }
        }

        _light() {
            const ids = new Set(this._hits.ids);
            const within = new Set(this._hits.within);
            for (const element of host.document.querySelectorAll('#origin [data-id]')) {
                const id = Number(element.dataset.id);
                element.classList.toggle('nbv-hit', ids.has(id));
                element.classList.toggle('nbv-within', within.has(id));
                element.classList.toggle('nbv-current', this._hits.current === id);
            }
        }

        _watch(graph) {
            graph.on('selectionchange', (sender, source) => {
                if (source !== 'panel' && this.structure && !this._first) {
                    this._selected(graph);
                }
            });
            const { scrollTo, select } = graph;
            graph.scrollTo = (selection, behavior) => scrollTo.call(graph, selection, still.matches ? 'instant' : behavior);
            // Netron clears the selection on any key, Shift included.
            graph.select = (selection, source) => {
                const hidden = source === 'sidebar' && selection ? selection.find((value) => value instanceof Node && !graph.find(value)) : null;
                if (hidden) {
                    post({ type: 'reveal', id: hidden.index });
                }
                return selection === null && this.typing ? null : select.call(graph, selection, source);
            };
        }

        _selected(graph) {
            const values = [...graph.selection].map((item) => item.value);
            const node = values.map((value) => (value instanceof Node ? value : this._owner(value))).find(Boolean);
            if (values.length > 0 && !node) {
                return;
            }
            this._next = node ? node.index : null;
            setTimeout(() => {
                if (this._posted !== this._next && !this._first) {
                    this._posted = this._next;
                    post({ type: 'select', id: this._next });
                }
            });
        }

        _owner(argument) {
            return this.structure.nodes.find((node) => node.inputs.includes(argument));
        }

        toggleModule(node) {
            if (node.opens) {
                post({ type: 'toggle', id: node.index });
            }
        }

        /** A key that the structure view has a use for. @param {string} key @param {boolean} shift @returns {boolean} */
        press(key, shift) {
            if (!this.structure) {
                return false;
            }
            if (key === 'Enter' && typeof this._posted === 'number') {
                post({ type: 'press', id: this._posted, only: shift });
                return true;
            }
            if (key === 'Backspace') {
                post({ type: 'leave' });
                return true;
            }
            return this._lights.press(key.toLowerCase(), this._posted);
        }

        // What follows replaces members of Netron's view.

        /** Netron's find goes through all nodes, also those inside closed modules. */
        find() {
            this._searched = this.structure ? this.structure.whole() : null;
            super.find();
            this._searched = null;
        }

        get activeTarget() {
            return this._searched || super.activeTarget;
        }

        async pushTarget(target, node) {
            if (node instanceof Node) {
                this.toggleModule(node);
            } else {
                await super.pushTarget(target, node);
            }
        }

        /** Netron's pauses let the browser paint its spinner; a structure is there sooner. */
        async _timeout(delay) {
            if (!host.format) {
                await super._timeout(delay);
            }
        }

        show(page) {
            if (this._keeping && !page) {
                this.target.register();
            } else {
                super.show(page);
            }
        }

        _reload() {
            if (this.structure && this.target && this.options.direction === this._direction) {
                this._redraw(() => {}, null);
            } else {
                super._reload();
            }
            this._direction = this.options.direction;
        }

        async render(target, signature) {
            if (target instanceof Graph) {
                await rendered(host.document);
            }
            const start = performance.now();
            const status = await super.render(target, signature);
            if (status === '' && target) {
                host.document.body.dataset.kind = target instanceof Graph ? 'structure' : 'file';
                this._direction = this.options.direction;
                if (target instanceof Graph) {
                    target.overlay = this._paint;
                    queueMicrotask(() => this._settle(start));
                } else {
                    this.drawn(start);
                }
            }
            return status;
        }

        /** After Netron has drawn a structure as a whole: the first view, the kept selection and hits. */
        async _settle(start) {
            await new Promise((resolve) => {
                requestAnimationFrame(resolve);
            });
            if (!this.target) {
                return;
            }
            if (this._first && this._first.view) {
                this.canvas.view = this._first.view;
            } else {
                this.fit();
            }
            const first = this._first;
            this.choose(first ? first.selected : this._posted, { scroll: Boolean(first) && !first.view });
            this._first = null;
            this._paint.apply();
            this._light();
            await this.drawn(start);
        }

        /** The view and selection with which the next structure is first shown. @param {{view?: object, selected?: number}|null} how */
        first(how) {
            this._views.clear();
            this._first = how && { view: how.view || null, selected: how.selected ?? null };
        }

        showNodeProperties(node, source) {
            this._forget();
            super.showNodeProperties(node, source);
            if (node instanceof Node) {
                const found = codeOf(this.structure.recording, node.index, this.variable);
                this.side.insert(codeSection(host.document, found, (text) => post({ type: 'copy', text })));
            }
        }

        showTensorProperties(argument, source) {
            this._forget();
            this.side.tensor = argument.value[0] ? argument.value[0].initializer : null;
            super.showTensorProperties(argument, source);
        }

        /** Values are fetched anew for each sidebar, so they are today's. */
        _forget() {
            this.side.tensor = null;
            if (this.structure) {
                this.structure.forget();
            }
        }

        async showDefinition(type) {
            const { nodes, type: kind, ...rest } = { ...type, name: type.name, description: type.description };
            await super.showDefinition({ ...escaped(rest), type: kind });
        }

        async export(file) {
            const extension = file.split('.').pop().toLowerCase();
            if (extension === 'png' || extension === 'svg') {
                await host.export(file, await this.picture(extension));
            } else {
                await super.export(file);
            }
        }

        /** What is drawn. @param {'svg'|'png'} kind @returns {Promise<Blob>} */
        async picture(kind) {
            if (!this.target) {
                throw new Error('Nothing is drawn yet.');
            }
            return picture(host.document, this.target, kind, this.structure && this._paint.legend);
        }
    }

    const view = new Drawing();
    watchDoubleClicks(host.document, () => view.side.open, (id, open, beside) => {
        if (view.structure && view.structure.opened.has(id) === open) {
            if (!beside) {
                view.uncover(id); // the first click opened the sidebar, over what now opens
            }
            view.toggleModule(view.structure.node(id));
        }
    });
    const actions = { toggle: (node) => view.toggleModule(node), open: (node) => view.target.activate(node, 'target') };
    view.sticky = new Sticky(host.document, actions);
    hookGrapher(grapher, {
        ...actions,
        placed: (clusters) => view.sticky.show(clusters),
        show: (node, source) => view.showNodeProperties(node, source),
        spread: (graph) => view.canvas.spread(graph)
    });
    return view;
}
