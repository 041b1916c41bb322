/** Which parameters shall learn, staged until the training starts: a tick for each row of the module table. */

import { element } from './dom.js';
import { holdings } from './overlay.js';

export class Ticks {

    /**
     * @param {import('./recording.js').Recording} recording
     * @param {Iterable<string>} learns Names of the parameters that learn.
     * @param {(names: string[]) => void} changed Somebody set or took a tick.
     */
    constructor(recording, learns, changed) {
        this._recording = recording;
        this._held = holdings(recording);
        this._changed = changed;
        this.learns = new Set(learns);
    }

    /** @param {object} node @returns {'true'|'false'|'mixed'|null} Whether it learns; null where it has no parameters. */
    state(node) {
        const names = this._names(node);
        const learning = names.filter((each) => each.some((name) => this.learns.has(name))).length;
        return names.length ? (learning === names.length ? 'true' : learning ? 'mixed' : 'false') : null;
    }

    /** Let all of a row learn, or nothing of it. @param {object} node */
    toggle(node) {
        const learn = this.state(node) !== 'true';
        for (const [name, ...aliases] of this._names(node)) {
            [name, ...aliases].forEach((each) => this.learns.delete(each));
            if (learn) {
                this.learns.add(name);
            }
        }
        this._changed([...this.learns]);
    }

    /** The box for a row. @param {object} node @param {string} name */
    box(node, name) {
        const state = this.state(node);
        if (state === null) {
            return element('span', { class: 'tick none', 'aria-hidden': 'true' });
        }
        return element('span', { class: 'tick', role: 'checkbox', 'aria-checked': state, 'aria-label': `${name} learns`, title: 'Learns (Space)' });
    }

    /** Each parameter below a node: its name and the other names of the same. */
    _names(node) {
        return [...new Set(this._held(node))].map((index) => this._recording.initializers[index])
            .filter(({ kind }) => kind === 'parameter').map(({ name, aliases }) => [name, ...aliases ?? []]);
    }
}
