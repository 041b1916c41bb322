/** The panel's overlay on what Netron drew: colours and values on nodes and frames, without drawing anything again. */

import { line } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';

export class Paint {

    /** @param {Document} document */
    constructor(document) {
        this._document = document;
        this._name = '';
        this._marks = new Map();
        this._on = false;
    }

    /** @param {{name: string, legend?: object, marks: [number, string, string, string, string, boolean][]}|null} overlay */
    set overlay(overlay) {
        this.legend = overlay?.legend ?? null;
        this._name = overlay ? overlay.name : '';
        this._marks = new Map(overlay ? overlay.marks.map(([id, ...mark]) => [id, mark]) : []);
        this._on = overlay !== null;
    }

    /** @param {number} id @returns {[string, string]|null} What the sidebar of a node says of it. */
    row(id) {
        const mark = this._marks.get(id);
        return mark ? [this._name, mark[3]] : null;
    }

    /** Paint what is drawn now. */
    apply() {
        this._document.getElementById('canvas').classList.toggle('nbv-overlaid', this._on);
        const found = [...this._document.querySelectorAll('#origin [data-id]')].map((element) => {
            const mark = this._marks.get(Number(element.dataset.id)) ?? null;
            const title = element.querySelector(':scope > .nbv-title');
            // All is measured before anything is changed, or the browser would measure anew for each.
            return { element, mark, title, width: mark && !title ? element.querySelector('.node-border')?.getBBox().width ?? 0 : 0 };
        });
        for (const { element, mark, title, width } of found) {
            element.querySelector('.nbv-value')?.remove();
            element.classList.toggle('nbv-valued', Boolean(mark));
            element.classList.toggle('nbv-odd', Boolean(mark && mark[4]));
            if (mark) {
                const [fill, ink, text, full] = mark;
                element.style.setProperty('--nbv-fill', fill);
                element.style.setProperty('--nbv-ink', ink);
                (title ?? element).append(this._label(title ? 8 : width / 2 - 8, text, full));
            }
        }
    }

    /** The value above the node, beside the line that comes in, so that it can be read without its colour. */
    _label(x, text, full) {
        const label = this._document.createElementNS(SVG, 'text');
        label.setAttribute('class', 'nbv-value');
        label.setAttribute('x', x);
        label.setAttribute('y', -4);
        label.textContent = line(text, 14);
        const hint = this._document.createElementNS(SVG, 'title');
        hint.textContent = line(`${this._name}: ${full}`);
        label.append(hint);
        return label;
    }
}
