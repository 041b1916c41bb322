/** The module table: an ARIA treegrid that draws only the rows in view. */

import { Ruler, comfortable, fitting, indent } from './columns.js';
import { overlayColumn } from './colouring.js';
import { element } from './dom.js';
import { said, signs } from './marks.js';
import { footCells, footTexts, headCells } from './table_ends.js';
import { cut } from './text.js';
import { Tree } from './tree.js';

const ROW = 24;
const OVERSCAN = 8;
const MEASURED = 2000;
let tables = 0;

/**
 * @typedef {object} Handlers
 * @property {(id: number, scroll: boolean) => void} select
 * @property {(id: number, only: boolean) => void} press Enter, with Shift or without.
 * @property {(id: number, open: boolean) => void} open
 * @property {() => void} find
 */

export class Table {

    /** @param {import('./recording.js').Recording} recording @param {Handlers} handlers */
    constructor(recording, handlers) {
        this._id = `nbv-table-${++tables}`;
        this._handlers = handlers;
        this._opened = new Set([0]);
        this._selected = null;
        this._active = 0;
        this._hits = new Set();
        this._sort = null;
        this._filter = '';
        this._columns = [];
        this._pressed = null;
        this._head = element('div', { role: 'row', class: 'row head', 'aria-rowindex': '1' });
        this._body = element('div', { role: 'rowgroup', class: 'body' });
        this._foot = element('div', { role: 'row', class: 'row foot' });
        this.grid = element('div', {
            class: 'grid', role: 'treegrid', tabindex: '0', 'aria-label': 'Modules',
            on: { keydown: (event) => this._key(event), scroll: () => this._later(), click: (event) => this._click(event), focus: () => this._point(),
                pointerdown: ({ target }) => {
                    this._pressed = target;
                },
                pointerup: (event) => this._release(event)
            }
        },
        element('div', { role: 'rowgroup', class: 'headgroup' }, this._head), this._body, element('div', { role: 'rowgroup', class: 'footgroup' }, this._foot));
        this._input = element('input', {
            type: 'search', class: 'filter', placeholder: 'Filter modules', 'aria-label': 'Filter modules', spellcheck: 'false',
            on: { input: () => this._refilter(), keydown: (event) => this._filterKey(event) }
        });
        this._empty = element('p', { class: 'empty', hidden: true });
        this.node = element('section', { class: 'modules', 'aria-label': 'Module table' }, this._input, this.grid, this._empty);
        this._watch = new ResizeObserver(() => this._fit());
        this._watch.observe(this.grid);
        this.recording = recording;
    }

    /** @param {import('./recording.js').Recording} recording */
    set recording(recording) {
        this._recording = recording;
        this.tree = new Tree(recording);
        this._frozen = recording.totals.trainable !== recording.totals.params;
        this._selected = null;
        this._active = 0;
        this._columns = [];
        this._widths = null;
        this._longest = null;
        this._relist();
        this._fit();
    }

    /** @param {Set<number>} opened */
    set opened(opened) {
        this._opened = new Set(opened);
        this._relist();
        this._fit();
    }

    /** Show which node is selected, and bring its row into view. @param {number|null} id */
    set selected(id) {
        this._selected = id;
        if (id !== null) {
            this._active = this.tree.rowOf(id);
            this._reveal(this._active);
        }
        this._draw();
    }

    /** @param {number[]} hits Nodes that were found. */
    set hits(hits) {
        this._hits = new Set(hits.map((id) => this.tree.rowOf(id)));
        this._hide();
        this._draw();
    }

    /** Which rows stand for hits in closed ones. */
    _hide() {
        const hidden = this._filtered ? [] : [...this._hits].filter((id) => !this._places.has(id));
        this._hiders = new Set(hidden.map((id) => this._nearest(id)));
    }

    /** Colour rows by an overlay, in a column of its own. @param {import('./overlay.js').Overlay|null} overlay */
    set overlay(overlay) {
        this._extra = overlay && overlayColumn(overlay);
        if (this._sort?.key === 'overlay') {
            this._sort = null;
            this._relist();
        }
        this._columns = [];
        this._fit();
    }

    /** Boxes to tick for each row; null for none. @param {import('./ticks.js').Ticks|null} ticks */
    set ticks(ticks) {
        this._ticks = ticks;
        this._draw();
    }

    close() {
        this._watch.disconnect();
    }

    _relist() {
        const { wanted, error } = this.tree.matching(this._filter);
        this._filtered = wanted !== null;
        this._lines = this.tree.lines(this._opened, this._sort, wanted);
        this._places = new Map(this._lines.map((line, index) => [line.id, index]));
        this._body.style.height = `${this._lines.length * ROW}px`;
        this.grid.setAttribute('aria-rowcount', String(this._lines.length + 2));
        if (!this._places.has(this._active)) {
            this._active = this._nearest(this._active);
        }
        const sentence = error || (wanted?.size === 0 ? `No module matches “${cut(this._filter, 80)}”.` : '');
        this._empty.hidden = !sentence;
        this._empty.textContent = sentence;
        this._hide();
    }

    _nearest(id) {
        let found = id;
        while (found > 0 && !this._places.has(found)) {
            found = this._recording.nodes[found].parent;
        }
        return Math.max(0, found);
    }

    _fit() {
        const width = this.grid.clientWidth;
        if (width === 0) {
            return;
        }
        this._ruler ??= new Ruler(this.grid);
        this._widths ??= this._ruler.columns(this._recording, footTexts(this._recording));
        this._longest ??= this._measured();
        this.node.style.setProperty('--comfortable', `${comfortable(this._longest, this._widths) + 8}px`);
        const columns = this._fitting(width - 8);
        this._room = width - 8 - columns.reduce((sum, { key }) => sum + (key === 'name' ? 0 : this._widths[key]), 0);
        if (columns.map((column) => column.key).join() !== this._columns.map((column) => column.key).join()) {
            this._columns = columns;
            this._typed = columns.some(({ key }) => key === 'type');
            const widths = columns.map(({ key }) => (key === 'name' ? 'minmax(0, 1fr)' : `${this._widths[key]}px`));
            this.grid.style.setProperty('--columns', widths.join(' '));
            this.grid.setAttribute('aria-colcount', String(columns.length));
            this._drawHead();
            this._foot.replaceChildren(...footCells(this._columns, this._recording));
        }
        this._draw();
    }

    /** The columns that fit, the overlay's among them instead of one that says the same. */
    _fitting(width) {
        if (!this._extra) {
            return fitting(width, this._frozen, this._longest, this._widths);
        }
        const { twin } = this._extra;
        this._widths.overlay = this._ruler.widest(this._recording, this._extra);
        const names = Math.max(0, Math.min(this._longest, 0.35 * width) - 90); // of the other columns some give way to the names
        const [name, ...rest] = fitting(width - this._widths.overlay - names, this._frozen, this._longest, { ...this._widths, [twin]: Infinity });
        return [name, this._extra, ...rest];
    }

    /** The room that the longest name takes, closed rows included. */
    _measured() {
        const modules = this._recording.nodes.filter(({ index }) => this._recording.isRow(index)).slice(0, MEASURED);
        return Math.max(...modules.map(({ index }) => {
            const mark = said(this._recording.marks(index)).includes('failed') ? 'failed' : '';
            return this._ruler.name(this._recording.ancestors(index).length + 1, this.tree.name(index), mark);
        }));
    }

    _sortBy(column) {
        const now = this._sort;
        if (now?.key !== column.key) {
            this._sort = { key: column.key, down: Boolean(column.number) || column.key === 'output', value: column.order };
        } else if (now.down === (Boolean(column.number) || column.key === 'output')) {
            this._sort = { ...now, down: !now.down };
        } else {
            this._sort = null;
        }
        this._relist();
        this._drawHead();
        this._draw();
    }

    _refilter() {
        this._filter = this._input.value.trim();
        this.grid.scrollTop = 0;
        this._relist();
        this._fit();
    }

    _filterKey(event) {
        if (event.key === 'Escape' && this._input.value) {
            event.stopPropagation();
            this._input.value = '';
            this._refilter();
        } else if (event.key === 'ArrowDown' || event.key === 'Enter') {
            event.preventDefault();
            this.grid.focus();
        }
    }

    _later() {
        this._frame ??= requestAnimationFrame(() => {
            this._frame = null;
            this._draw();
        });
    }

    _drawHead() {
        this._head.replaceChildren(...headCells(this._columns, this._sort, (column) => this._sortBy(column)));
    }

    _draw() {
        if (!this._columns.length) {
            return;
        }
        const first = Math.max(0, Math.floor(this.grid.scrollTop / ROW) - OVERSCAN);
        const last = Math.min(this._lines.length, first + Math.ceil(this.grid.clientHeight / ROW) + 2 * OVERSCAN);
        const rows = [];
        for (let index = first; index < last; index++) {
            rows.push(this._row(index));
        }
        const active = this._places.get(this._active) ?? 0;
        if (active < first || active >= last) {
            rows.push(this._row(active));
        }
        this._put(rows);
        this._point();
    }

    /** Put these rows into the body; one that is as it was stays, so that a click whose button is down goes on. */
    _put(rows) {
        const before = new Map([...this._body.children].map((row) => [row.id, row]));
        const after = rows.map((row) => (before.get(row.id)?.isEqualNode(row) ? before.get(row.id) : row));
        const kept = new Set(after);
        [...before.values()].filter((row) => !kept.has(row)).forEach((row) => row.remove());
        let next = this._body.firstElementChild;
        for (const row of after) {
            if (row === next) {
                next = next.nextElementSibling;
            } else {
                this._body.insertBefore(row, next);
            }
        }
    }

    _row(index) {
        const line = this._lines[index];
        const node = this._recording.nodes[line.id];
        const exact = this._selected === line.id;
        const near = !exact && this._selected !== null && this.tree.rowOf(this._selected) === line.id;
        const classes = ['row', exact ? 'selected' : '', near ? 'near' : '', this._hits.has(line.id) ? 'hit' : '', this._hiders.has(line.id) ? 'within' : '', line.id === this._active ? 'active' : '',
            ...['failed', 'unfinished', 'uncalled', 'unused'].filter((mark) => this._recording.marks(line.id).includes(mark))];
        const row = element('div', {
            role: 'row', id: `${this._id}-${line.id}`, class: classes.filter(Boolean).join(' '), 'aria-level': line.level, 'aria-posinset': line.position,
            'aria-setsize': line.siblings, 'aria-rowindex': index + 2, 'aria-selected': String(exact), 'aria-expanded': line.parent ? String(line.open) : null
        });
        row.style.top = `${index * ROW}px`;
        for (const column of this._columns) {
            row.append(column.key === 'name' ? this._name(line, node) : this._cell(column, node));
        }
        return row;
    }

    _cell(column, node) {
        const cell = element('div', {
            role: 'gridcell', class: column.number ? 'cell number' : 'cell', text: column.text(node, this._recording), title: column.full?.(node, this._recording) || null
        });
        const paint = column.paint?.(node);
        if (paint) {
            cell.classList.add('painted');
            cell.style.background = paint.fill;
            cell.style.color = paint.ink;
        }
        return cell;
    }

    _name(line, node) {
        const words = said(this._recording.marks(line.id));
        const name = node.kind === 'fold' && this._typed ? node.name : this.tree.name(line.id);
        const cell = element('div', { role: 'gridcell', class: 'cell name', title: `${node.kind === 'fold' ? `${node.type}: ${node.name}` : node.path || node.type}${words.length ? `: ${words.join(', ')}` : ''}` });
        cell.style.paddingLeft = `${indent(line.level)}px`;
        cell.append(element('span', { class: line.parent && line.id !== 0 ? 'twist' : 'twist none', 'aria-hidden': 'true' }), ...(this._ticks ? [this._ticks.box(node, name)] : []), element('span', { class: 'text', text: name }));
        if (words.length) {
            const whole = this._ruler.name(line.level, name, words.join(', ')) <= this._room;
            cell.append(element('span', { class: 'mark', text: whole ? words.join(', ') : signs(words), role: whole ? null : 'img', 'aria-label': whole ? null : words.join(', ') }));
        }
        return cell;
    }

    /** Tell screen readers which row is the current one. */
    _point() {
        this.grid.setAttribute('aria-activedescendant', `${this._id}-${this._active}`);
    }

    _reveal(id) {
        const index = this._places.get(id);
        if (index === undefined) {
            return;
        }
        const room = this.grid.clientHeight - 2 * ROW;
        const top = index * ROW;
        if (top < this.grid.scrollTop) {
            this.grid.scrollTop = top;
        } else if (room > 0 && top + ROW > this.grid.scrollTop + room) {
            this.grid.scrollTop = top + ROW - room;
        }
    }

    /** What was pressed is gone because its row was drawn again, so the browser makes no click of it. */
    _release(event) {
        if (this._pressed && !this._pressed.isConnected && this._pressed.closest('.row')?.id === event.target.closest('.body .row')?.id) {
            this._click(event);
        }
        this._pressed = null;
    }

    _click(event) {
        const row = event.target.closest('.body .row');
        if (!row) {
            return;
        }
        const id = Number(row.id.slice(this._id.length + 1));
        const line = this._lines[this._places.get(id)];
        this._active = id;
        if (event.target.closest('.tick')) {
            this._ticks.toggle(this._recording.nodes[id]);
        } else if (event.target.closest('.twist') && line.parent && id !== 0) {
            this._toggle(line);
        } else if (event.detail === 2 && this._selected === id) {
            this._handlers.press(id, false);
        } else {
            this._handlers.select(id, true);
        }
    }

    _toggle(line) {
        if (!this._filtered) {
            this._handlers.open(line.id, !line.open);
        }
    }

    _key(event) {
        if (event.altKey || event.ctrlKey || event.metaKey || event.target !== this.grid) {
            return;
        }
        const index = this._places.get(this._active) ?? 0;
        const line = this._lines[index];
        const page = Math.max(1, Math.floor(this.grid.clientHeight / ROW) - 3);
        const steps = { ArrowUp: index - 1, ArrowDown: index + 1, Home: 0, End: this._lines.length - 1, PageUp: index - page, PageDown: index + page };
        if (event.key in steps) {
            this._go(steps[event.key]);
        } else if (event.key === 'ArrowRight') {
            if (line.parent && !line.open) {
                this._toggle(line);
            } else if (line.parent) {
                this._go(index + 1);
            }
        } else if (event.key === 'ArrowLeft') {
            if (line.parent && line.open && line.id !== 0 && !this._filtered) {
                this._toggle(line);
            } else if (line.id !== 0) {
                this._go(this._places.get(this._recording.nodes[line.id].parent));
            }
        } else if (event.key === 'Enter') {
            this._handlers.press(line.id, event.shiftKey);
        } else if (event.key === ' ') {
            if (this._ticks) {
                this._ticks.toggle(this._recording.nodes[line.id]);
            } else if (line.parent && line.id !== 0) {
                this._toggle(line);
            }
        } else if (event.key === '/') {
            this._handlers.find();
        } else {
            return;
        }
        event.preventDefault();
    }

    _go(index) {
        const line = this._lines[Math.max(0, Math.min(this._lines.length - 1, index))];
        this._active = line.id;
        this._reveal(line.id);
        this._handlers.select(line.id, false);
        this._draw();
    }
}
