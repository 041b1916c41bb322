/** Opening, selecting and finding: keeps table, page and the path above it at one outline. */

import { codeOf } from './code.js';
import { Find } from './find.js';
import { openedTo } from './levels.js';
import { Outline } from './outline.js';

export class Navigator {

    /**
     * @param {{opened: number[]|undefined, selected: number|null, inside?: number}} kept
     * @param {object} parts
     * @param {import('./table.js').Table} parts.table
     * @param {import('./stage.js').Stage} parts.stage
     * @param {(message: object) => void} parts.post To the page.
     * @param {string} [parts.variable] The name of the model in Python.
     * @param {(selected?: boolean) => void} parts.changed What is open or selected has changed.
     */
    constructor(kept, parts) {
        this._parts = parts;
        this._find = null;
        this._pointing = false;
        this._unseen = !kept.view && typeof kept.selected !== 'number';
        this.outline = new Outline(kept);
    }

    /** @returns {import('./recording.js').Recording|null} */
    get recording() {
        return this.outline.recording;
    }

    /** @param {import('./recording.js').Recording} recording */
    take(recording) {
        this._pointing = Boolean(recording.failure) && (this._unseen || Boolean(this.recording));
        this.outline.take(recording);
        this._find = new Find(recording);
    }

    /** Show in the table what was taken. */
    fill() {
        const { table } = this._parts;
        table.recording = this.recording;
        table.opened = this.outline.opened;
        table.selected = this.outline.selected;
        this._trail();
    }

    /** Once a failure is drawn that was not seen before: select it, and bring it to the middle. */
    point() {
        if (this._pointing) {
            this._pointing = false;
            this.select(this.recording.failure.node, true);
        }
    }

    /** Open or close a module. @param {number} id @param {number} anchor The node that keeps its place. */
    toggle(id, open, anchor = id) {
        const { recording, selected } = this.outline;
        if (open ? !recording.canOpen(id) && !this._parts.table.tree.hasRows(id) : id === 0) {
            return;
        }
        this.outline.turn(id, open);
        this._tell(anchor);
        if (!open && selected !== null && selected !== id && recording.ancestors(selected).includes(id)) {
            this.selected(id);
            this._parts.post({ type: 'select', id, scroll: false, sidebar: false });
        }
    }

    /** Open or close a module call or fold, if it can be. @param {number|null} id */
    turn(id) {
        if (id !== null && this.recording.canOpen(id)) {
            this.toggle(id, !this.outline.opened.has(id));
        }
    }

    /** Close all in the canvas, or open all down to a depth. @param {number} depth From 1. */
    openTo(depth) {
        const { outline, recording } = this;
        for (const id of [...outline.opened]) {
            if (id !== outline.inside && recording.ancestors(id).includes(outline.inside)) {
                outline.turn(id, false);
            }
        }
        openedTo(recording, outline.inside, depth).forEach((id) => outline.turn(id, true));
        this._tell(outline.visible(outline.selected));
    }

    /** Let one module call or fold fill the canvas; the model itself is 0. @param {number|null} id */
    enter(id) {
        const { outline } = this;
        if (id === null || id === outline.inside || !this.recording.canOpen(id)) {
            return;
        }
        const left = this.recording.ancestors(outline.inside).includes(id) ? outline.inside : null;
        outline.inside = id;
        this._tell(null);
        if (left !== null) {
            this.select(left, true);
        } else {
            this.selected(this.outline.visible(outline.selected));
        }
    }

    /** Step out of what fills the canvas, to what encloses it. */
    leave() {
        if (this.outline.inside > 0) {
            this.enter(this.outline.outer);
        }
    }

    /** Select a node and open what hides it. @param {number} wanted @param {boolean} scroll */
    select(wanted, scroll) {
        const id = this.outline.drawnAs(wanted);
        if (this.outline.reveal(id)) {
            this._tell(null);
        }
        this.selected(id);
        this._parts.post({ type: 'select', id: this.outline.visible(id), scroll, sidebar: false });
    }

    /** A node was selected, or none. @param {number|null} id */
    selected(id) {
        this.outline.selected = typeof id === 'number' && this.recording?.nodes[id] ? id : null;
        this._parts.table.selected = this.outline.selected;
        this._trail();
        this._parts.changed(true);
    }

    /** Do as Python says. @param {{opened?: number[], selected?: number|null}} state */
    follow({ opened, selected }) {
        if (!this.recording) {
            this.outline = new Outline({ opened, selected });
            return;
        }
        if (Array.isArray(opened)) {
            const added = opened.find((id) => !this.outline.opened.has(id));
            this.outline.opened = new Set(opened);
            if (added ?? selected) {
                this.outline.surround(added ?? selected);
            }
            this._tell(null);
        }
        if (selected !== undefined) {
            this.selected(selected);
            this._parts.post({ type: 'select', id: this.outline.visible(this.outline.selected), scroll: true, sidebar: false });
        }
    }

    /** @param {string} query @returns {{label: string, error: string}} How many hits there are, or what is wrong with it. */
    search(query) {
        if (!this._find) {
            return { label: '', error: '' };
        }
        this._find.search(query);
        this.light();
        return this._find;
    }

    /** Go to the next hit or the one before. @param {number} step @returns {string} Which hit it is. */
    move(step) {
        const hit = this._find ? this._find.move(step) : -1;
        if (hit >= 0) {
            this.select(hit, true);
            this.light();
        }
        return this._find?.label ?? '';
    }

    /** Light the hits in table and page. */
    light() {
        if (this._find) {
            this._parts.table.hits = this._find.hits;
            const ids = this._find.hits.filter((id) => this.outline.visible(id) !== null);
            const within = [...new Set(this._find.hits.map((id) => this.outline.hider(id)))].filter((id) => id !== null);
            this._parts.post({ type: 'find', ids, within, current: this._find.current });
        }
    }

    _tell(anchor) {
        this._parts.table.opened = this.outline.opened;
        this._parts.post({ type: 'opened', ids: this.outline.frames, root: this.outline.inside, anchor });
        this.light();
        this._trail();
        this._parts.changed();
    }

    _trail() {
        const { nodes } = this.recording;
        const { inside, line, selected } = this.outline;
        this._parts.stage.show(line.map((id) => ({
            id, name: nodes[id].kind === 'module' ? this._parts.table.tree.name(id) : nodes[id].type, fold: nodes[id].kind === 'fold'
        })), inside, this.outline.enterable(selected));
        this._parts.stage.expression = selected === null ? '' : codeOf(this.recording, selected, this._parts.variable).expression;
    }
}
