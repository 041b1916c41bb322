/** The panel: header, module table, find and graph as one; owns which modules are open and what is selected. */

import { button, element } from './dom.js';
import { download } from './bytes.js';
import { seconds } from './format.js';
import { Find } from './find.js';
import { Header } from './header.js';
import { OnnxView } from './onnx_view.js';
import { PageLink } from './link.js';
import { Recording } from './recording.js';
import { splitter } from './splitter.js';
import { Stage } from './stage.js';
import { Status } from './status.js';
import { Table } from './table.js';
import { Toolbar } from './toolbar.js';
import { savePath } from './save.js';
import { theme, watchTheme } from './colours.js';

const LEAST = 320;
const FORWARDED = new Set(['tensor', 'module', 'metadata', 'external']);

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
        this._state = { opened: [0], selected: null, view: null, options: null, split: 34, tab: 'graph', kind: 'structure', ...source.state };
        this._opened = new Set(this._state.opened);
        this._live = source.transport.state !== 'saved';
        this._recording = null;
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
            this._link.post({ type: 'theme', theme: now });
        });
        this._fullchange = () => this._fullChanged();
        document.addEventListener('fullscreenchange', this._fullchange);
    }

    /** Draw a recording. @param {Uint8Array} data */
    async draw(data) {
        if (this._subject.kind === 'file') {
            return;
        }
        const before = this._recording;
        this._data = data;
        const recording = await Recording.unpack(data);
        if (this._closed || this._data !== data) {
            return;
        }
        this._recording = recording;
        this._place(before, recording);
        this._header.recording = recording;
        this._find = new Find(recording);
        this._table.recording = recording;
        this._table.opened = this._opened;
        this._table.selected = this._state.selected;
        this._trail();
        this._plain();
        this._onnx.reset();
        if (before) {
            this._toolbar.again();
            this._keep();
        }
        this._openPage();
    }

    /** What is opened and selected in a new recording: as it was kept, or by path as in the one before. */
    _place(before, recording) {
        if (before) {
            const key = ({ path, kind, type, call }) => `${kind} ${path} ${call} ${kind === 'module' ? '' : type}`;
            const places = new Map(recording.nodes.map((node) => [key(node), node.index]));
            const carried = (id) => places.get(key(before.nodes[id])) ?? null;
            this._opened = new Set([...this._opened].map(carried).filter((id) => id !== null && recording.canOpen(id)));
            this._state.selected = this._state.selected === null ? null : carried(this._state.selected);
        } else if (!this._source.state.opened) {
            this._opened = new Set(recording.data.opened);
        }
        this._opened.add(0);
        if (!recording.nodes[this._state.selected]) {
            this._state.selected = null;
        }
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
        clearTimeout(this._slow);
        this.root.dataset.route = state;
        const gone = 'The kernel is gone: what is drawn stays, values and export need the cell to run again.';
        this._status.say('route', state === 'gone' ? { text: gone, tone: 'warning' } : null);
    }

    close() {
        this._closed = true;
        clearTimeout(this._keeping);
        clearTimeout(this._slow);
        this._unwatch();
        document.removeEventListener('fullscreenchange', this._fullchange);
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
        this._header = new Header(this._subject, {
            refresh: () => this._refresh(), input: (text) => this._input(text), full: () => this._toggleFull(), saves
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
                request: (...all) => this._ask(...all), stage: this._stage, status: this._status, report: (text) => this._showReport(text),
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
            this._state.kind = 'structure';
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
            toggle: ({ id }) => this._open(id, !this._opened.has(id), id),
            select: ({ id }) => this._selected(id),
            reveal: ({ id }) => this._select(id, true),
            view: ({ zoom, x, y }) => {
                if (this._state.kind === 'structure') {
                    this._state.view = { zoom, x, y };
                    this._keep();
                }
            },
            request: (asked) => this._forward(asked),
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
        } else if (this._recording && this._state.kind === 'structure') {
            this._link.post({
                type: 'open', kind: 'structure', recording: this._recording.data, opened: [...this._opened], selected: this._visible(this._state.selected),
                view: this._state.view, theme: theme(), options: this._state.options
            });
        } else if (this._recording) {
            this._onnx.show();
        }
    }

    async _openSubject() {
        try {
            const { result, buffers } = await this._ask('file');
            this._openFile(result.name, buffers[0]);
        } catch (error) {
            this._stage.cover({ title: 'The file is not at hand.', text: error.message });
        }
    }

    _openFile(name, bytes) {
        this._link.post({ type: 'open', kind: 'file', name, bytes: bytes.slice(), theme: theme() });
    }

    async _forward({ id, method, params }) {
        const reply = { type: 'reply', id, result: null, error: null, buffers: [] };
        try {
            if (!FORWARDED.has(method)) {
                throw new Error(`The page may not ask for ${method}.`);
            }
            const { result, buffers } = await this._ask(method, params);
            reply.result = result;
            reply.buffers = buffers.map((buffer) => buffer.slice().buffer);
        } catch (error) {
            reply.error = { what: error.what || error.message, hint: error.hint || '' };
        }
        this._link.post(reply, reply.buffers);
    }

    /** Ask Python, and say so when it takes long. */
    async _ask(method, params = {}) {
        const waiting = setTimeout(() => {
            if (this._source.transport.state === 'comm') {
                this._status.say('route', { text: 'Waiting for the kernel: it answers when the running cell has ended.', tone: 'warning' });
                this._slow = 1;
            }
        }, 3000);
        try {
            return await this._source.transport.request(method, params);
        } finally {
            clearTimeout(waiting);
            if (this._slow) {
                this._slow = 0;
                this._status.say('route', null);
            }
        }
    }

    // Opened and selected.

    _open(id, open, anchor) {
        if (open ? !this._recording.canOpen(id) && !this._table.tree.hasRows(id) : id === 0) {
            return;
        }
        if (open) {
            this._opened.add(id);
        } else {
            this._opened.delete(id);
        }
        this._tellOpened(anchor ?? id);
        const selected = this._state.selected;
        if (!open && selected !== null && selected !== id && this._recording.ancestors(selected).includes(id)) {
            this._selected(id);
            this._link.post({ type: 'select', id, scroll: false, sidebar: false });
        }
    }

    _tellOpened(anchor) {
        this._table.opened = this._opened;
        this._link.post({ type: 'opened', ids: [...this._opened].filter((id) => id === 0 || this._recording.canOpen(id)), anchor });
        this._light();
        this._keep();
    }

    /** Open all that hides a node. */
    _reveal(id) {
        const closed = this._recording.ancestors(id).filter((each) => !this._opened.has(each));
        if (closed.length) {
            for (const each of closed) {
                this._opened.add(each);
            }
            this._tellOpened(null);
        }
    }

    _select(id, scroll) {
        this._reveal(id);
        this._selected(id);
        if (this._visible(id) !== null) {
            this._link.post({ type: 'select', id, scroll, sidebar: false });
        }
    }

    _selected(id) {
        this._state.selected = typeof id === 'number' && this._recording?.nodes[id] ? id : null;
        this._table.selected = this._state.selected;
        this._trail();
        this._keep();
    }

    /** A node's id if it is drawn, else null. */
    _visible(id) {
        if (id === null || !this._recording) {
            return null;
        }
        const node = this._recording.nodes[id];
        const drawn = this._recording.tensors === 'none' || !node.marks.includes('uncalled');
        return drawn && this._recording.ancestors(id).every((each) => this._opened.has(each)) ? id : null;
    }

    _trail() {
        const id = this._state.selected;
        const line = id === null ? [0] : [...this._recording.ancestors(id).reverse(), id];
        const { nodes } = this._recording;
        this._stage.path = line.map((each) => ({ id: each, name: nodes[each].kind === 'operator' ? nodes[each].type : this._table.tree.name(each) }));
    }

    _takeState({ opened, selected }) {
        if (!this._recording) {
            this._state.selected = selected;
            this._opened = new Set(opened);
            return;
        }
        if (Array.isArray(opened)) {
            this._opened = new Set(opened);
            this._tellOpened(null);
        }
        if (selected !== undefined) {
            this._selected(selected);
            this._link.post({ type: 'select', id: this._visible(this._state.selected), scroll: true, sidebar: false });
        }
    }

    _keep() {
        this._state.opened = [...this._opened];
        clearTimeout(this._keeping);
        this._keeping = setTimeout(() => this._source.keep({ ...this._state }), 250);
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
            this._link.post({ type: 'find', ids: this._find.hits.filter((id) => this._visible(id) !== null), current: this._find.current });
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
        const { data, failure } = this._recording;
        this._status.say('failure', failure ? {
            text: this._failure(failure), tone: 'error', action: 'Show', press: () => this._select(failure.node, true)
        } : null);
        const traced = data.tensors === 'none' ? 'No forward pass could be traced.' : `Traced in ${seconds(data.seconds)}${data.tensors === 'real' ? ' with real tensors' : ''}.`;
        const notes = (data.notes || []).join(' ');
        const offer = this._live && this._onnx.untouched;
        this._status.say('plain', {
            text: [traced, notes, this._live ? this._onnx.plain : 'Saved view: values are not in this page.'].filter(Boolean).join(' '),
            action: offer ? 'Export' : undefined,
            press: () => {
                this._setKind('onnx');
                this._onnx.start();
            }
        });
    }

    _failure({ node, kind, message, source, hint }) {
        const failed = this._recording.nodes[node];
        const where = failed && failed.path ? ` in ${failed.path}` : '';
        const line = source ? ` (${source[0].split(/[\\/]/).pop()}, line ${source[1]})` : '';
        return [`The forward pass failed${where}: ${kind ? `${kind}: ` : ''}${message}${line}`, hint].filter(Boolean).join(' ');
    }

    async _refresh(params = {}) {
        this._status.say('notice', { text: 'Tracing…' });
        try {
            await this._ask('refresh', params);
            this._status.say('notice', null);
            return '';
        } catch (error) {
            this._status.say('notice', params.input_size ? null : { text: error.message, tone: 'error' });
            return error.message;
        }
    }

    async _input(text) {
        const sizes = text.split(/[;,](?=\s*\d+\s*[x×*])/).map((part) => (part.match(/\d+/g) || []).map(Number));
        if (!sizes.length || sizes.some((size) => !size.length) || /[^\d\s,;x×*()[\]]/.test(text)) {
            return `“${text.slice(0, 40)}” is no size. Write it like 1×3×224×224.`;
        }
        return this._refresh({ input_size: sizes.length === 1 ? sizes[0] : sizes });
    }

    async _saveHtml() {
        try {
            const { result, buffers } = await this._ask('html');
            download(result.name, buffers[0], 'text/html');
        } catch (error) {
            this._status.say('error', { text: error.message, tone: 'error' });
        }
    }

    _showReport(text) {
        const back = this.root.getRootNode().activeElement;
        const close = () => {
            sheet.remove();
            back?.focus();
        };
        const sheet = element('div', { class: 'report', role: 'dialog', 'aria-label': 'Report' },
            element('div', { class: 'bar' }, element('h2', { class: 'title', text: 'Report' }), element('div', { class: 'tools' },
                button({ icon: 'save', text: 'Save', label: 'Save the report', class: 'tool', press: () => download('report.txt', new TextEncoder().encode(text), 'text/plain') }),
                button({ icon: 'close', label: 'Close', class: 'tool', press: close }))),
            element('pre', { text, tabindex: '0' }));
        sheet.addEventListener('keydown', (event) => event.key === 'Escape' && close());
        this.root.append(sheet);
        sheet.querySelector('pre').focus();
    }

    // Keys and the whole screen.

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
        } else if (key === 'Escape' && this.root.classList.contains('fixed')) {
            this._setFixed(false);
        } else if (key === 'Escape' && document.fullscreenElement === this._host) {
            document.exitFullscreen();
        }
    }

    async _toggleFull() {
        if (document.fullscreenElement === this._host) {
            await document.exitFullscreen();
        } else if (this.root.classList.contains('fixed')) {
            this._setFixed(false);
        } else {
            try {
                await this._host.requestFullscreen();
            } catch {
                this._setFixed(true);
            }
        }
    }

    /** Where the browser gives no full screen, fill the window. */
    _setFixed(fixed) {
        this.root.classList.toggle('fixed', fixed);
        this._header.full = fixed;
    }

    _fullChanged() {
        this._header.full = document.fullscreenElement === this._host;
    }
}
