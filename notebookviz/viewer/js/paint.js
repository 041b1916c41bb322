/** The panel's overlay on what Netron drew: colours and values on nodes and frames, without drawing anything again. */

const SVG = 'http://www.w3.org/2000/svg';

export class Paint {

    /** @param {Document} document */
    constructor(document) {
        this._document = document;
        this._name = '';
        this._marks = new Map();
        this._on = false;
    }

    /** @param {{name: string, marks: [number, string, string, string, string, boolean][]}|null} overlay */
    set overlay(overlay) {
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
        for (const element of this._document.querySelectorAll('#origin [data-id]')) {
            element.querySelector('.nbv-value')?.remove();
            const mark = this._marks.get(Number(element.dataset.id));
            element.classList.toggle('nbv-valued', Boolean(mark));
            element.classList.toggle('nbv-odd', Boolean(mark && mark[4]));
            if (mark) {
                element.style.setProperty('--nbv-fill', mark[0]);
                element.style.setProperty('--nbv-ink', mark[1]);
                this._say(element, mark);
            }
        }
    }

    /** The value beside the node, so that it can be read without its colour. */
    _say(element, [, , text, full]) {
        const title = element.querySelector(':scope > .nbv-title');
        const label = this._document.createElementNS(SVG, 'text');
        label.setAttribute('class', 'nbv-value');
        label.textContent = text.length > 14 ? `${text.slice(0, 13)}…` : text;
        const hint = this._document.createElementNS(SVG, 'title');
        hint.textContent = `${this._name}: ${full}`;
        label.append(hint);
        const width = title ? 0 : element.querySelector('.node-border')?.getBBox().width ?? 0;
        label.setAttribute('x', title ? 8 : width / 2 - 8);
        label.setAttribute('y', -4);
        (title ?? element).append(label);
    }
}
