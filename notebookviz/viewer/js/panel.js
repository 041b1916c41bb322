/** The panel: header, module table, find and graph as one; owns which modules are open and what is selected. */

import { Asker } from './asker.js';
import { insertCells } from './cells.js';
import { openCells } from './cells_view.js';
import { Colouring } from './colouring.js';
import { copyText } from './copy.js';
import { element } from './dom.js';
import { download } from './bytes.js';
import { failed } from './failure.js';
import { FineTune } from './finetune.js';
import { Header } from './header.js';
import { OnnxView } from './onnx_view.js';
import { levelsMenu } from './levels.js';
import { Navigator } from './navigator.js';
import { PageLink } from './link.js';
import { Parameters, moduleOf } from './parameters.js';
import { Recording } from './recording.js';
import { Screen } from './screen.js';
import { LEAST, heightSplitter, widthSplitter } from './sizes.js';
import { opening, sameOpening } from './opening.js';
import { Stage } from './stage.js';
import { Status } from './status.js';
import { Table } from './table.js';
import { Toolbar } from './toolbar.js';
import { held, traced } from './sentences.js';
import { Saving } from './saving.js';
import { showReport } from './report.js';
import { line } from './text.js';
import { theme, themeOf, watchTheme } from './colours.js';


const KEYS = 100; // ms in which the browser notices that what had the focus is gone
const COPIED = 4000;
const DRAWING = 200; // ms for which the table leaves the processor to a first drawing

/**
 * @typedef {object} Source What a delivery gives: a widget, a served page, or a saved one.
 * @property {object} subject
 * @property {Uint8Array} data The packed recording; empty for a file.
 * @property {object} state What was opened, selected and so on when the panel was last seen.
 * @property {string} page The document for the iframe.
 * @property {string} [nonce] Of the document around the page, where its policy asks for one.
 * @property {PageLink|null} [link] The page, where it was started before.
 * @property {string} style
 * @property {number} height Pixels; 0 fills its place.
 * @property {{request: Function, state: string, close: () => void}} transport
 * @property {(state: object) => void} keep Remembers the state.
 * @property {number} [values] How many tensors' values a saved page holds.
 */

export class Panel {

    /** @param {HTMLElement} holder @param {Source} source */
    constructor(holder, source) {
        this._source = source;
        this._subject = source.subject;
        const { overlays = [], ...state } = source.state;
        this._overlays = overlays;
        this._state = { view: null, options: null, tab: 'graph', overlay: '', ...state, kind: 'structure' };
        this._live = source.transport.state !== 'saved';
        this._empty = false;
        this._keeping = null;
        const host = element('div', { class: 'notebookviz', 'data-lm-suppress-shortcuts': 'true' });
        host.style.cssText = 'display: block; position: relative; width: 100%;';
        host.style.height = source.height ? `${Math.max(LEAST, this._state.height || source.height)}px` : '100%';
        this._host = host;
        const shadow = host.attachShadow({ mode: 'open' });
        this.root = element('div', { class: this._subject.kind === 'file' ? 'root file' : 'root', tabindex: '-1', 'data-theme': theme() });
        shadow.append(element('style', { text: source.style }), this.root);
        for (const name of ['keydown', 'keyup', 'keypress']) {
            host.addEventListener(name, (event) => this._key(event));
        }
        host.addEventListener('click', () => setTimeout(() => this._holdKeys(), KEYS));
        holder.append(host);
        this._build();
        this._unwatch = watchTheme((now) => {
            this.root.dataset.theme = now;
            this._link.post({ type: 'theme', ...themeOf(this.root) });
            this._colouring?.repaint();
        });
        this._screen = new Screen(host, this.root, (full) => {
            this._header.full = full;
        });
        if (this._subject.kind === 'file') {
            this._listen();
        }
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
        const again = this._navigator.recording !== null;
        this._navigator.take(recording);
        this._onnx.reset();
        this._empty = true;
        if (again) {
            this._openPage();
            this._fill();
            this._toolbar.again();
            this._keep();
        } else {
            this._listen();
            setTimeout(() => this._fill(), DRAWING);
        }
    }

    /** Show a recording in all but the page, which draws it first. */
    _fill() {
        if (!this._empty || this._closed) {
            return;
        }
        this._empty = false;
        const { recording } = this._navigator;
        this._navigator.fill();
        this._header.recording = recording;
        this._colouring.take(recording);
        this._tuning?.take(recording);
        this._parameters.look(true);
        this._plain();
    }

    /** Take an event from Python. @param {string} name @param {object} data @param {Uint8Array[]} buffers */
    event(name, data, buffers) {
        this._fill();
        if (name === 'graph' && buffers.length) {
            this._status.say('notice', null);
            this.draw(buffers[0]);
        } else if (name === 'state') {
            this._navigator?.follow(data);
        } else if (name === 'overlay') {
            this._colouring?.hear(data);
        } else if (name === 'training' || name === 'rates') {
            this._makeTuning().hear(name, data);
        } else if (name === 'job') {
            this._onnx?.hear(data);
        } else if (name === 'picture') {
            this._saving.send(data.kind, data.number).catch(() => null);
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
        const ends = {
            gone: 'The kernel is gone: what is drawn stays, values and export need the cell to run again.',
            closed: 'This panel was closed: run the cell again.'
        };
        this._status.say('route', ends[state] ? { text: ends[state], tone: 'warning' } : null);
        if (ends[state]) {
            this._tuning?.leave(state);
        }
    }

    close() {
        this._closed = true;
        clearTimeout(this._keeping);
        this._unwatch();
        this._screen.close();
        this._onnx?.close();
        this._saving.close();
        this._table?.close();
        this._link.close();
        this._source.transport.close();
        this._host.remove();
    }

    _build() {
        const file = this._subject.kind === 'file';
        this._status = new Status();
        this._asker = new Asker(this._source.transport, this._status);
        this._saving = new Saving({
            subject: this._subject, live: this._live, status: this._status, root: this.root, post: (message) => this._link.post(message),
            request: (...all) => this._source.transport.request(...all), exported: (options) => this._onnx.start(options),
            seen: () => ({ opened: [...this._navigator.outline.opened], inside: this._navigator.outline.inside })
        });
        this._header = new Header(this._subject, {
            refresh: () => this._refresh(), input: (text) => this._input(text), full: () => this._screen.toggle(), saves: this._saving.entries
        }, this._live);
        this._stage = new Stage({
            command: (name) => this._link.post({ type: 'command', name }), select: (id) => this._navigator.select(id, true),
            enter: (id) => this._navigator.enter(id), levels: () => levelsMenu(this._navigator), copy: (text) => this._copy(text)
        });
        this._link = this._source.link ?? new PageLink(this._source.page, this._source.nonce);
        this._stage.cover({ title: 'Drawing…', busy: true });
        const parts = [this._header.node];
        if (!file) {
            this._table = new Table(new Recording({ format: 1, nodes: [{ kind: 'module', type: this._subject.name }], values: [], initializers: [], inputs: [], outputs: [], totals: {}, tensors: 'none' }), {
                select: (id, scroll) => this._navigator.select(id, scroll), press: (id, only) => this._press(id, only), open: (id, open) => this._navigator.toggle(id, open), find: () => this._toolbar.focusFind()
            });
            this._navigator = new Navigator(this._source.state, {
                table: this._table, stage: this._stage, post: (message) => this._link.post(message), variable: this._subject.variable,
                changed: (selected) => {
                    this._parameters.look();
                    this._keep(selected);
                }
            });
            this._colouring = new Colouring({
                table: this._table, post: (message) => this._link.post(message), theme,
                changed: (chosen) => {
                    this._state.overlay = chosen;
                    this._saving.drawn();
                    this._keep();
                }
            }, this._overlays, this._state.overlay);
            this._toolbar = new Toolbar({
                search: (query) => this._navigator.search(query), move: (step) => this._move(step), kind: (kind) => this._setKind(kind), tab: (tab) => this._setTab(tab)
            }, this._live, this._colouring.chooser);
            this._stage.legend = this._colouring.legend;
            this._onnx = new OnnxView({
                request: (...all) => this._asker.ask(...all), stage: this._stage, status: this._status, report: (text) => showReport(this.root, text),
                open: (name, bytes) => this._openFile(name, bytes)
            });
            this._parameters = new Parameters({
                ask: this._live ? (params) => this._asker.ask('parameters', params) : null,
                chosen: () => moduleOf(this._navigator.recording, this._navigator.outline.selected)
            });
            if (!this._live && this._state.tab === 'tune') {
                this._state.tab = 'graph';
            }
            parts.push(this._toolbar.node);
        }
        const middle = element('div', { class: 'middle' });
        if (!file) {
            middle.append(this._table.node, widthSplitter(this.root, this._table.node, this._state, () => this._keep()));
        }
        this._right = element('div', { class: 'right' }, this._stage.node, file ? null : this._parameters.node);
        middle.append(this._right);
        parts.push(middle, this._status.node);
        if (this._source.height) {
            parts.push(heightSplitter(this._host, this._state, this._source.height, () => this._keep()));
        }
        this.root.append(...parts);
        this._stage.hold(this._link);
        if (!file) {
            this._setTab(this._state.tab);
            this._toolbar.kind = 'structure';
        } else {
            this._stage.label = this._subject.name;
        }
    }

    /** The Fine-tune tab: made when it is first seen, or told of a training. */
    _makeTuning() {
        if (this._tuning) {
            return this._tuning;
        }
        this._tuning = new FineTune(this._state.tuning ?? {}, {
            ask: (...all) => this._asker.ask(...all),
            tick: (ticks) => {
                this._table.ticks = ticks;
            },
            stage: (names) => {
                this._colouring.learns = names;
            },
            colour: () => {
                this._colouring.choose('trainable');
                this._setTab('graph');
            },
            waits: () => this._source.transport.state === 'comm',
            insert: (written) => this._insert(written),
            keep: (settings) => {
                this._state.tuning = settings;
                this._keep();
            }
        });
        if (this._navigator.recording) {
            this._tuning.take(this._navigator.recording);
        }
        this._right.append(this._tuning.node);
        return this._tuning;
    }

    // The page.

    _hear(message) {
        this._fill();
        const handlers = {
            drawn: (part) => {
                if (this._state.kind === 'structure' || this._subject.kind === 'file') {
                    this._stage.cover(null);
                }
                this._status.say('error', null);
                this._stage.part = part;
                if (this._navigator?.recording) {
                    this._plain();
                }
                this._navigator?.light();
                this._navigator?.point();
                this._saving.drawn();
                this.root.dataset.drawn = String(Number(this.root.dataset.drawn || 0) + 1);
            },
            toggle: ({ id }) => this._navigator.toggle(id, !this._navigator.outline.opened.has(id)),
            select: ({ id }) => this._navigator?.selected(id),
            reveal: ({ id }) => this._navigator.select(id, true),
            view: ({ zoom, x, y, from }) => {
                if (this._state.kind === 'structure') {
                    this._state.view = { zoom, x, y, from };
                    this._keep();
                }
            },
            request: async (asked) => {
                const reply = await this._asker.answer(asked);
                this._link.post(reply, reply.buffers);
            },
            picture: (answer) => this._saving.hear(answer),
            save: ({ name, bytes, mime }) => download(String(name), bytes, String(mime)),
            copy: ({ text }) => this._copy(String(text)),
            options: ({ type: _, ...options }) => {
                this._state.options = options.options ?? options;
                this._keep();
            },
            key: ({ key }) => this._pageKey(key),
            press: ({ id, only }) => (only ? this._navigator.enter(this._navigator.outline.enterable(id)) : this._navigator.turn(id)),
            leave: () => this._navigator.leave(),
            focus: ({ inside }) => this.root.classList.toggle('inside', Boolean(inside)),
            error: ({ what, hint }) => {
                this._stage.cover(null);
                this._status.say('error', { text: [what, hint].filter(Boolean).join(' '), tone: 'error' });
            }
        };
        handlers[message.type]?.(message);
    }

    _listen() {
        this._link.listen(`Graph of ${this._subject.name}`, () => this._openPage(), (message) => this._hear(message));
    }

    _openPage() {
        if (!this._link.open) {
            return;
        }
        if (this._subject.kind === 'file') {
            this._openSubject();
        } else if (this._navigator.recording && this._state.kind === 'structure') {
            const { outline } = this._navigator;
            const { opened, inside } = outline;
            const { view, options } = this._state;
            const message = opening(this._data, { opened, inside, view, options, selected: outline.visible(outline.selected) }, this._subject.variable);
            if (this._link.begun && sameOpening(this._link.begun, message)) {
                this._link.post({ type: 'theme', ...themeOf(this.root) });
            } else {
                this._link.post({ ...message, ...themeOf(this.root) });
            }
            this._link.begun = null;
            this._colouring.tell();
        } else if (this._navigator.recording) {
            this._onnx.show();
            this._plain();
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

    /** @param {boolean} [soon] Whether the next cell may ask for it: then it is told before anything else happens. */
    _keep(soon = false) {
        clearTimeout(this._keeping);
        if (!soon) {
            this._keeping = setTimeout(() => this._tellState(), 250);
        } else if (!this._soon) {
            this._soon = true;
            queueMicrotask(() => {
                this._soon = false;
                this._tellState();
            });
        }
    }

    _tellState() {
        clearTimeout(this._keeping);
        const outline = this._navigator?.outline;
        this._source.keep({ ...this._state, ...(outline && { opened: [...outline.opened], selected: outline.selected, inside: outline.inside }) });
    }

    // What is shown.

    _move(step) {
        this._setKind('structure');
        return this._navigator.move(step);
    }

    _setTab(tab) {
        this._state.tab = tab;
        this.root.dataset.tab = tab;
        this._toolbar.tab = tab;
        this._parameters.shown = tab === 'parameters';
        if (tab === 'tune') {
            this._makeTuning();
        }
        if (this._tuning) {
            this._tuning.shown = tab === 'tune';
            this._stage.node.inert = tab === 'tune'; // it is drawn behind the tab
        }
        this._keep();
    }

    _setKind(kind) {
        if (kind === this._state.kind) {
            return;
        }
        this._state.kind = kind;
        this._toolbar.kind = kind;
        this._stage.structural = kind === 'structure';
        this._colouring.shown = kind === 'structure';
        if (kind === 'onnx') {
            this._setTab('graph');
            this._onnx.show();
        } else {
            this._onnx.hide();
            this._openPage();
        }
        this._plain();
        this._keep();
    }

    _plain() {
        const { recording } = this._navigator;
        this._status.say('failure', recording.failure ? {
            ...failed(recording), tone: 'error', action: 'Show', press: () => this._navigator.select(recording.failure.node, true)
        } : null);
        this._status.say('plain', {
            tone: recording.nodes.some(({ marks }) => marks.includes('broadcast')) ? 'warning' : 'plain',
            text: `${traced(recording)} ${this._live ? this._onnx.plain : held(this._source.values)}`,
            action: this._live && this._onnx.offered ? 'Export' : undefined,
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
            this._status.say('notice', params.input ? null : { text: error.message, tone: 'error' });
            return error.message;
        }
    }

    async _input(text) {
        return this._refresh({ input: text });
    }

    async _copy(text) {
        if (await copyText(text)) {
            this._link.post({ type: 'copied' });
            this._status.say('done', { text: `Copied ${line(text, 200)}` });
            setTimeout(() => this._status.say('done', null), COPIED);
        } else {
            this._status.say('error', { text: 'The browser did not let the panel copy; select the text and copy it.', tone: 'warning' });
        }
    }

    /** Put the cells of a training below this one, or show them where no notebook takes them. */
    _insert(written) {
        if (!insertCells(written.cells, this._host)) {
            openCells(this.root, written);
            return;
        }
        this._status.say('done', { text: [`Inserted ${written.cells.length} cells below.`, ...written.notes].join(' ') });
        setTimeout(() => this._status.say('done', null), 2 * COPIED);
    }

    // Keys.

    /** A button that vanished under its click took the focus with it: the keys stay with the panel, not with the notebook. */
    _holdKeys() {
        if (document.activeElement === document.body && this.root.isConnected) {
            this.root.focus({ preventScroll: true });
        }
    }

    _key(event) {
        event.stopPropagation();
        if (event.type !== 'keydown' || event.defaultPrevented) {
            return;
        }
        const typing = ['INPUT', 'TEXTAREA', 'SELECT'].includes(event.composedPath()[0].tagName);
        if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey) {
            event.preventDefault();
            this._pageKey('/');
        } else if (event.key === 'Escape') {
            this._pageKey('Escape');
        } else if (event.key === 'Backspace' && !typing) {
            event.preventDefault();
            this._navigator?.leave();
        }
    }

    /** Enter on a row: open or close it and show it, or let it fill the canvas. */
    _press(id, only) {
        if (only) {
            this._navigator.enter(this._navigator.outline.enterable(id));
        } else {
            if (id > 0) {
                this._navigator.turn(id);
            }
            this._navigator.select(id, true);
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
