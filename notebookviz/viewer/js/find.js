/** Finding nodes by name, path, type, operator or shape.  Knows no DOM. */

import { shape } from './format.js';

export class Find {

    /** @param {import('./recording.js').Recording} recording */
    constructor(recording) {
        this._texts = recording.nodes.map((node) => {
            if (node.kind === 'fold' || (recording.tensors !== 'none' && node.marks.includes('uncalled'))) {
                return '';
            }
            const shapes = node.outputs.map((value) => shape(recording.values[value][1]));
            const initializers = node.initializers.map((each) => recording.initializers[each].name);
            return [node.kind === 'module' ? node.path : '', node.type, ...initializers, ...shapes].join('\n').toLowerCase();
        });
        this.hits = [];
        this.position = -1;
        this.query = '';
    }

    /**
     * Look for a text; the current hit stays where it was if it still is one.
     * @param {string} query
     * @returns {number[]} Node indices in the order they ran.
     */
    search(query) {
        const current = this.current;
        this.query = query.trim().toLowerCase();
        const wanted = this.query.replace(/(\d)\s*[x*]\s*(?=\d)/g, '$1×');
        this.hits = [];
        if (wanted) {
            for (const [index, text] of this._texts.entries()) {
                if (text.includes(wanted) || text.includes(this.query)) {
                    this.hits.push(index);
                }
            }
        }
        this.position = this.hits.indexOf(current);
        return this.hits;
    }

    /** @returns {number} The current hit, -1 when there is none. */
    get current() {
        return this.hits[this.position] ?? -1;
    }

    /** Go on by `step` hits, round the end. @param {number} step @returns {number} The hit, -1 when there is none. */
    move(step) {
        if (!this.hits.length) {
            return -1;
        }
        const from = this.position < 0 && step < 0 ? 0 : this.position;
        this.position = (from + step + this.hits.length) % this.hits.length;
        return this.current;
    }

    /** @returns {string} `3/17`, `17 found`, `none`, or nothing. */
    get label() {
        if (!this.query) {
            return '';
        }
        if (!this.hits.length) {
            return 'none';
        }
        return this.position < 0 ? `${this.hits.length} found` : `${this.position + 1}/${this.hits.length}`;
    }
}
