/**
 * Which boxes and lines stand out: what is pointed at with its direct inputs and outputs, or all that a node depends on,
 * or all that depends on it.  Reads what is drawn from the SVG.
 */

const KEYS = { a: 'from', d: 'to' };

export class Lights {

    /** @param {Document} document */
    constructor(document) {
        this._document = document;
        this._held = null;
        this._pointed = null;
        const area = document.getElementById('target');
        area.addEventListener('pointerover', (event) => this._point(event));
        area.addEventListener('pointerleave', () => this._point(null));
        area.addEventListener('pointerdown', () => this._hold(null), true);
    }

    /** What was drawn is drawn no more. */
    forget() {
        this._drawn = null;
        this._held = null;
        this._pointed = null;
        this._show();
    }

    /**
     * A lights all that a node depends on, D all that depends on it; the same key again, or Escape, lights nothing.
     * @param {string} key @param {number|null} id @returns {boolean} Whether the key was of use.
     */
    press(key, id) {
        if (key === 'escape' && this._held) {
            this._hold(null);
            return true;
        }
        if (!(key in KEYS) || typeof id !== 'number') {
            return false;
        }
        const same = this._held && this._held.key === key && this._held.id === id;
        this._hold(same ? null : { key, id });
        return true;
    }

    _hold(held) {
        this._held = held;
        this._show();
    }

    _point(event) {
        const box = event && event.target.closest('#nodes > [data-id], .nbv-title, .nbv-sticky-title');
        const id = box ? box.closest('[data-id]').dataset.id : null;
        if (id !== this._pointed) {
            this._pointed = id;
            this._show();
        }
    }

    _show() {
        for (const element of this._document.querySelectorAll('#origin .nbv-lit')) {
            element.classList.remove('nbv-lit');
        }
        const canvas = this._document.getElementById('canvas');
        const start = this._held ? String(this._held.id) : this._pointed;
        const found = start === null ? [] : this._reached(start);
        const lit = found.length > 1 ? found : [];
        if (canvas) {
            canvas.classList.toggle('nbv-dimmed', lit.length > 0);
        }
        for (const element of lit) {
            element.classList.add('nbv-lit');
            if (element.dataset.edge) {
                element.parentNode.append(element); // above the lines that run along with it
            }
        }
    }

    /** What is lit when a box or frame is. @param {string} start @returns {Element[]} */
    _reached(start) {
        if (!this._drawn?.lines.every(({ elements: [line] }) => line.isConnected)) { // Netron makes a line anew when it is selected
            this._drawn = this._read();
        }
        const { boxes, lines } = this._drawn;
        if (!boxes.has(start)) {
            return [];
        }
        const inside = (id) => id === start || boxes.get(id).frames.includes(start);
        const own = [...boxes.keys()].filter(inside);
        const seen = new Set(own);
        const elements = new Set();
        for (const side of this._held ? [KEYS[this._held.key]] : ['from', 'to']) {
            const waiting = [...own];
            while (waiting.length > 0) {
                for (const line of boxes.get(waiting.pop())[side].map((index) => lines[index])) {
                    if (!inside(line.from) || !inside(line.to)) {
                        line.elements.forEach((element) => elements.add(element));
                    }
                    if (this._held && !seen.has(line[side])) {
                        waiting.push(line[side]);
                    }
                    seen.add(line[side]);
                }
            }
        }
        for (const id of seen) {
            const { element, frames } = boxes.get(id);
            elements.add(element);
            frames.forEach((frame) => elements.add(boxes.get(frame).element));
        }
        return [...elements];
    }

    /** Boxes with the frames round them, and lines with their ends and labels. */
    _read() {
        const { _document: document } = this;
        const boxes = new Map();
        for (const element of document.querySelectorAll('#nodes > [data-id], .cluster[data-id]')) {
            boxes.set(element.dataset.id, { element, frames: [], from: [], to: [] });
        }
        for (const { element, frames } of boxes.values()) {
            for (let id = element.dataset.frame; boxes.has(id); id = boxes.get(id).element.dataset.frame) {
                frames.push(id);
            }
        }
        const labels = new Map([...document.querySelectorAll('[data-label]')].map((element) => [element.dataset.label, element]));
        const lines = [...document.querySelectorAll('[data-edge]')].map((element) => {
            const [from, to] = element.dataset.edge.split('>');
            const label = labels.get(element.dataset.edge);
            return { elements: label ? [element, label] : [element], from, to };
        });
        lines.forEach(({ from, to }, index) => {
            boxes.get(from).to.push(index);
            boxes.get(to).from.push(index);
        });
        return { boxes, lines };
    }
}
