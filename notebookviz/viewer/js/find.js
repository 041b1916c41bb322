/** Finding nodes by what filter.js understands.  Knows no DOM. */

import { parse, subjectsOf } from './filter.js';

export class Find {

    /** @param {import('./recording.js').Recording} recording */
    constructor(recording) {
        this._recording = recording;
        this._subjects = null;
        this.hits = [];
        this.position = -1;
        this.error = '';
        this._asked = false;
    }

    /**
     * Look for a text; the current hit stays where it was if it still is one.
     * @param {string} query
     * @returns {number[]} Node indices in the order they ran.
     */
    search(query) {
        const current = this.current;
        const { test, error } = parse(query.trim());
        this.error = error;
        this._asked = test !== null; // not by a filter that is half written
        this._subjects ??= subjectsOf(this._recording);
        this.hits = test ? [...this._subjects].filter(([, subject]) => test(subject)).map(([id]) => id) : [];
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
        if (!this._asked) {
            return '';
        }
        if (!this.hits.length) {
            return 'none';
        }
        return this.position < 0 ? `${this.hits.length} found` : `${this.position + 1}/${this.hits.length}`;
    }
}
