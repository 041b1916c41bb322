/** The panel: header, module table, find and graph as one; owns which modules are open and what is selected. */

import { Asker } from './asker.js';
import { element } from './dom.js';
import { download } from './bytes.js';
import { Find } from './find.js';
import { Header } from './header.js';
import { OnnxView } from './onnx_view.js';
import { Outline } from './outline.js';
import { PageLink } from './link.js';
import { Recording } from './recording.js';
import { Screen } from './screen.js';
import { splitter } from './splitter.js';
import { Stage } from './stage.js';
import { Status } from './status.js';
import { Table } from './table.js';
import { Toolbar } from './toolbar.js';
import { failed, inputSize, traced } from './sentences.js';
import { savePath } from './save.js';
import { showReport } from './report.js';
import { theme, themeOf, watchTheme } from './colours.js';

const LEAST = 320;

/**
 * @typedef {object} Source What a delivery gives: a widget, a served page, or a saved one.
 * @property {object} subject
 * @property {Uint8Array} data The packed recording; empty for a file.
 * @property {object} state What was opened, selected and so on when the panel was last seen.
 * @property {string} page The document for the iframe.
 * @property {string} style
 * @property {number} height Pixels; 0 fills its place.
 * @property {{request: Function, state: string, close: () => void}} transport
 * @property {(state: object) => void} keep Remembers the state.
 */

export class Panel {

    /** @param {HTMLElement} holder @param {Source} source */
    constructor(holder, source) {
        this._source = source;
        this._subject = source.subject;
        this._state = { view: null, options: null, split: 34, tab: 'graph', ...source.state, kind: 'structure' };
        this._outline = new Outline(source.state);
        this._live = source.transport.state !== 'saved';
        this._ready = false;
        this._keeping = null;
        const host = element('div', { class: 'notebookviz', 'data-lm-suppress-shortcuts': 'true' });
        host.style.cssText = 'display: block; position: relative; width: 100%;';
        host.style.height = source.height ? `${Math.max(LEAST, this._state.height || source.height)}px` : '100%';
        this._host = host;
        const shadow = host.attachShadow({ mode: 'open' });
        this.root = element('div', { class: this._subject.kind === 'file' ? 'root file' : 'root', 'data-theme': theme() });
        shadow.append(element('style', { text: source.style }), this.root);
        for (const name of ['keydown', 'keyup', 'keypress']) {
            host.addEventListener(name, (event) => this._key(event));
        }
        holder.append(host);
        this._build();
        this._unwatch = watchTheme((now) => {
            this.root.dataset.theme = now;
            this._link.post({ type: 'theme', ...themeOf(this.root) });
        });
        this._screen = new Screen(host, this.root, (full) => {
            this._header.full = full;
        });
    }

    /** Draw a recording. @param {Uint8Array} data */
    async draw(data) {
        if (this._subject.kind === 'file') {
            return;
        }
        this._data = data;
        const recording = await Recording.unpack(data);
        if (this._closed || this._data !== data) {
            return;
        }
        const again = this._outline.recording !== null;
        this._outline.take(recording);
        this._header.recording = recording;
        this._find = new Find(recording);
        this._table.recording = recording;
        this._table.opened = this._outline.opened;
        this._table.selected = this._outline.selected;
        this._trail();
        this._plain();
        this._onnx.reset();
        if (again) {
            this._toolbar.again();
            this._keep();
        }
        this._openPage();
    }

    /** Take an event from Python. @param {string} name @param {object} data @param {Uint8Array[]} buffers */
    event(name, data, buffers) {
        if (name === 'graph' && buffers.length) {
            this._status.say('notice', null);
            this.draw(buffers[0]);
        } else if (name === 'state') {
            this._takeState(data);
        } else if (name === 'job') {
            this._onnx?.hear(data);
        } else if (name === 'notice') {
            this.notice(data);
        } else if (name === 'released') {
            this._status.say('notice', { text: 'The panel let go of its model; run the cell again to see values.' });
        }
    }

    /** Say something with a button. @param {{text: string, action?: string}|null} notice */
    notice(notice) {
        this._status.say('notice', notice && {
            text: notice.text, tone: 'warning', action: notice.action === 'refresh' ? 'Refresh' : undefined, press: () => this._refresh()
        });
    }

    /** Show what is known of a job when the panel is drawn anew. @param {object|undefined} job */
    set job(job) {
        if (job && this._onnx) {
            this._onnx.hear(job);
        }
    }

    /** Say how the kernel is reached. @param {string} state The transport's. */
    set route(state) {
        this.root.dataset.route = state;
        const gone = 'The kernel is gone: what is drawn stays, values and export need the cell to run again.';
        this._status.say('route', state === 'gone' ? { text: gone, tone: 'warning' } : null);
    }

    close() {
        this._closed = true;
        clearTimeout(this._keeping);
        this._unwatch();
        this._screen.close();
        this._onnx?.close();
        this._table?.close();
        this._link.close();
        this._source.transport.close();
        this._host.remove();
    }

    _build() {
        const file = this._subject.kind === 'file';
        const saves = [];
        if (this._live) {
            saves.push({ label: 'HTML page', press: () => this._saveHtml() });
            if (!file) {
                saves.push({ label: 'ONNX file…', press: (anchor) => savePath(this.root, anchor, this._subject.name, (path) => this._onnx.start({ path })) });
            }
        }
        this._status = new Status();
        this._asker = new Asker(this._source.transport, this._status);
        this._header = new Header(this._subject, {
            refresh: () => this._refresh(), input: (text) => this._input(text), full: () => this._screen.toggle(), saves
        }, this._live);
        this._stage = new Stage({ command: (name) => this._link.post({ type: 'command', name }), select: (id) => this._select(id, true) });
        this._link = new PageLink(this._source.page, `Graph of ${this._subject.name}`, (message) => this._hear(message));
        this._stage.hold(this._link.frame);
        this._stage.cover({ title: 'Drawing…', busy: true });
        const parts = [this._header.node];
        if (!file) {
            this._toolbar = new Toolbar({
                search: (query) => this._search(query), move: (step) => this._move(step), kind: (kind) => this._setKind(kind), tab: (tab) => this._setTab(tab)
            }, this._live);
            this._table = new Table(new Recording({ format: 1, nodes: [{ kind: 'module', type: this._subject.name }], values: [], initializers: [], inputs: [], outputs: [], totals: {}, tensors: 'none' }), {
                select: (id, scroll) => this._select(id, scroll), open: (id, open) => this._open(id, open, null), find: () => this._toolbar.focusFind()
            });
            this._onnx = new OnnxView({
                request: (...all) => this._asker.ask(...all), stage: this._stage, status: this._status, report: (text) => showReport(this.root, text),
                open: (name, bytes) => this._openFile(name, bytes)
            });
            parts.push(this._toolbar.node);
        }
        const middle = element('div', { class: 'middle' });
        if (!file) {
            middle.append(this._table.node, this._splitter());
        }
        middle.append(this._stage.node);
        parts.push(middle, this._status.node);
        if (this._source.height) {
            parts.push(this._edge());
        }
        this.root.append(...parts);
        if (!file) {
            this._setTab(this._state.tab);
            this._toolbar.kind = 'structure';
        } else {
            this._stage.label = this._subject.name;
        }
    }

    _splitter() {
        const put = (value) => this.root.style.setProperty('--split', `${value}%`);
        put(this._state.split);
        return splitter({
            orientation: 'vertical', label: 'Width of the module table', least: 15, most: 70, step: 2, get: () => this._state.split,
            set: (value) => {
                this._state.split = value;
                put(value);
            },
            moved: (from, pixels) => from + (100 * pixels) / this.root.clientWidth, done: () => this._keep()
        });
    }

    _edge() {
        return splitter({
            orientation: 'horizontal', label: 'Height of the panel', least: LEAST, most: 2000, step: 20, get: () => this._host.clientHeight || this._source.height,
            set: (value) => {
                this._state.height = value;
                this._host.style.height = `${value}px`;
            },
            moved: (from, pixels) => from + pixels, done: () => this._keep()
        });
    }

    // The page.

    _hear(message) {
        const handlers = {
            ready: () => {
                this._ready = true;
                this._openPage();
            },
            drawn: () => {
                if (this._state.kind === 'structure' || this._subject.kind === 'file') {
                    this._stage.cover(null);
                }
                this._status.say('error', null);
                this._light();
                this.root.dataset.drawn = String(Number(this.root.dataset.drawn || 0) + 1);
            },
            toggle: ({ id }) => this._open(id, !this._outline.opened.has(id), id),
            select: ({ id }) => this._selected(id),
            reveal: ({ id }) => this._select(id, true),
            view: ({ zoom, x, y }) => {
                if (this._state.kind === 'structure') {
                    this._state.view = { zoom, x, y };
                    this._keep();
                }
            },
            request: async (asked) => {
                const reply = await this._asker.answer(asked);
                this._link.post(reply, reply.buffers);
            },
            save: ({ name, bytes, mime }) => download(String(name), bytes, String(mime)),
            options: ({ type: _, ...options }) => {
                this._state.options = options.options ?? options;
                this._keep();
            },
            key: ({ key }) => this._pageKey(key),
            focus: ({ inside }) => this.root.classList.toggle('inside', Boolean(inside)),
            error: ({ what, hint }) => {
                this._stage.cover(null);
                this._status.say('error', { text: [what, hint].filter(Boolean).join(' '), tone: 'error' });
            }
        };
        handlers[message.type]?.(message);
    }

    _openPage() {
        if (!this._ready) {
            return;
        }
        if (this._subject.kind === 'file') {
            this._openSubject();
        } else if (this._outline.recording && this._state.kind === 'structure') {
            const { recording, opened, selected } = this._outline;
            this._link.post({
                type: 'open', kind: 'structure', recording: recording.data, opened: [...opened], selected: this._outline.visible(selected),
                view: this._state.view, options: this._state.options, ...themeOf(this.root)
            });
        } else if (this._outline.recording) {
            this._onnx.show();
        }
    }

    async _openSubject() {
        try {
            const { result, buffers } = await this._asker.ask('file');
            this._openFile(result.name, buffers[0]);
        } catch (error) {
            this._stage.cover({ title: 'The file is not at hand.', text: error.message });
        }
    }

    _openFile(name, bytes) {
        this._link.post({ type: 'open', kind: 'file', name, bytes: bytes.slice(), ...themeOf(this.root) });
    }

    // Opened and selected.

    _open(id, open, anchor) {
        const { recording, selected } = this._outline;
        if (open ? !recording.canOpen(id) && !this._table.tree.hasRows(id) : id === 0) {
            return;
        }
        this._outline.turn(id, open);
        this._tellOpened(anchor ?? id);
        if (!open && selected !== null && selected !== id && recording.ancestors(selected).includes(id)) {
            this._selected(id);
            this._link.post({ type: 'select', id, scroll: false, sidebar: false });
        }
    }

    _tellOpened(anchor) {
        this._table.opened = this._outline.opened;
        this._link.post({ type: 'opened', ids: this._outline.frames, anchor });
        this._light();
        this._keep();
    }

    _select(wanted, scroll) {
        const id = this._outline.drawnAs(wanted);
        if (this._outline.reveal(id)) {
            this._tellOpened(null);
        }
        this._selected(id);
        if (this._outline.visible(id) !== null) {
            this._link.post({ type: 'select', id, scroll, sidebar: false });
        }
    }

    _selected(id) {
        this._outline.selected = typeof id === 'number' && this._outline.recording?.nodes[id] ? id : null;
        this._table.selected = this._outline.selected;
        this._trail();
        this._keep();
    }

    _trail() {
        const { nodes } = this._outline.recording;
        this._stage.path = this._outline.line.map((id) => ({ id, name: nodes[id].kind === 'operator' ? nodes[id].type : this._table.tree.name(id) }));
    }

    _takeState({ opened, selected }) {
        if (!this._outline.recording) {
            this._outline = new Outline({ opened, selected });
            return;
        }
        if (Array.isArray(opened)) {
            this._outline.opened = new Set(opened);
            this._tellOpened(null);
        }
        if (selected !== undefined) {
            this._selected(selected);
            this._link.post({ type: 'select', id: this._outline.visible(this._outline.selected), scroll: true, sidebar: false });
        }
    }

    _keep() {
        clearTimeout(this._keeping);
        this._keeping = setTimeout(() => this._source.keep({ ...this._state, opened: [...this._outline.opened], selected: this._outline.selected }), 250);
    }

    // Find.

    _search(query) {
        if (!this._find) {
            return '';
        }
        this._find.search(query);
        this._light();
        return this._find.label;
    }

    _move(step) {
        const hit = this._find ? this._find.move(step) : -1;
        if (hit >= 0) {
            this._setKind('structure');
            this._select(hit, true);
            this._light();
        }
        return this._find?.label ?? '';
    }

    _light() {
        if (this._find) {
            this._table.hits = this._find.hits;
            this._link.post({ type: 'find', ids: this._find.hits.filter((id) => this._outline.visible(id) !== null), current: this._find.current });
        }
    }

    // What is shown.

    _setTab(tab) {
        this._state.tab = tab;
        this.root.dataset.tab = tab;
        this._toolbar.tab = tab;
        this._keep();
    }

    _setKind(kind) {
        if (kind === this._state.kind) {
            return;
        }
        this._state.kind = kind;
        this._toolbar.kind = kind;
        if (kind === 'onnx') {
            this._setTab('graph');
            this._onnx.show();
        } else {
            this._onnx.hide();
            this._openPage();
        }
        this._keep();
    }

    _plain() {
        const { recording } = this._outline;
        this._status.say('failure', recording.failure ? {
            text: failed(recording), tone: 'error', action: 'Show', press: () => this._select(recording.failure.node, true)
        } : null);
        this._status.say('plain', {
            text: `${traced(recording)} ${this._live ? this._onnx.plain : 'Saved view: values are not in this page.'}`,
            action: this._live && this._onnx.untouched ? 'Export' : undefined,
            press: () => {
                this._setKind('onnx');
                this._onnx.start();
            }
        });
    }

    async _refresh(params = {}) {
        this._status.say('notice', { text: 'Tracing…' });
        try {
            await this._asker.ask('refresh', params);
            this._status.say('notice', null);
            return '';
        } catch (error) {
            this._status.say('notice', params.input_size ? null : { text: error.message, tone: 'error' });
            return error.message;
        }
    }

    async _input(text) {
        const size = inputSize(text);
        return size ? this._refresh({ input_size: size }) : `“${text.slice(0, 40)}” is no size. Write it like 1×3×224×224.`;
    }

    async _saveHtml() {
        try {
            const { result, buffers } = await this._asker.ask('html');
            download(result.name, buffers[0], 'text/html');
        } catch (error) {
            this._status.say('error', { text: error.message, tone: 'error' });
        }
    }

    // Keys.

    _key(event) {
        event.stopPropagation();
        if (event.type !== 'keydown' || event.defaultPrevented) {
            return;
        }
        const typing = ['INPUT', 'TEXTAREA'].includes(event.composedPath()[0].tagName);
        if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
            event.preventDefault();
            this._pageKey('/');
        } else if (event.key === 'Escape') {
            this._pageKey('Escape');
        }
    }

    _pageKey(key) {
        if (key === '/') {
            this._toolbar?.focusFind();
        } else if (key === 'Escape') {
            this._screen.leave();
        }
    }
}
