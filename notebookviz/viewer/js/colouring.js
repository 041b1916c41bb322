/** Colour by …: the choice in the toolbar, the legend in the drawing, and what table and page are told. */

import { button, element, icon } from './dom.js';
import { line } from './text.js';
import { ODD, OTHER } from './palette.js';
import { BUILT_IN, overlay } from './overlay.js';

const OWN = 'own: ';

export class Colouring {

    /**
     * @param {object} parts
     * @param {import('./table.js').Table} parts.table
     * @param {(message: object) => void} parts.post To the page.
     * @param {() => 'light'|'dark'} parts.theme
     * @param {(chosen: string) => void} parts.changed Another overlay was chosen.
     * @param {import('./overlay.js').Given[]} given
     * @param {string} chosen
     */
    constructor(parts, given, chosen) {
        this._parts = parts;
        this._given = given;
        this._chosen = chosen;
        this._recording = null;
        this._learns = null;
        this._shown = true;
        this._select = element('select', { 'aria-label': 'Colour by', on: { change: () => this.choose(this._select.value) } });
        this.chooser = element('label', { class: 'colour', title: 'Colour nodes and rows' }, icon('colour'), element('span', { class: 'label', text: 'Colour:' }), this._select);
        this.legend = element('aside', { class: 'legend', 'aria-label': 'Legend', hidden: true });
        this._list();
    }

    /** @param {import('./recording.js').Recording} recording */
    take(recording) {
        this._recording = recording;
        this._list();
        this.repaint();
    }

    /** Do as Python says. @param {{overlays: object[], chosen: string}} told */
    hear({ overlays, chosen }) {
        this._given = overlays;
        this._chosen = chosen;
        this._list();
        this.repaint();
        this._parts.changed(this._chosen);
    }

    /** What will learn, as long as that is only staged. @param {Set<string>|null} names */
    set learns(names) {
        this._learns = names;
        if (this._chosen === 'trainable') {
            this.repaint();
        }
    }

    /** Whether what can be coloured is shown. @param {boolean} shown */
    set shown(shown) {
        this._shown = shown;
        this._select.disabled = !shown;
        this.legend.hidden = !shown || !this._overlay;
    }

    /** Make the colours anew, for another theme or recording. */
    repaint() {
        const wanted = this._chosen in BUILT_IN ? this._chosen : this._given.find(({ name }) => OWN + name === this._chosen);
        this._overlay = wanted && this._recording ? overlay(this._recording, wanted, this._parts.theme(), this._learns) : null;
        this._parts.table.overlay = this._overlay;
        this._explain();
        this.tell();
    }

    /** Tell the page. */
    tell() {
        const found = this._overlay;
        const marks = found ? found.values.map((_, id) => [id, found.mark(id)]).filter(([, mark]) => mark) : [];
        this._parts.post({
            type: 'overlay',
            overlay: found && { name: found.name, legend: { title: titled(found), odd: found.odd, ...found.legend }, marks: marks.map(([id, { fill, ink, text, full, odd }]) => [id, fill, ink, text, full, odd]) }
        });
    }

    /** @param {string} chosen A key of `BUILT_IN`, or the user's. */
    choose(chosen) {
        this._chosen = chosen;
        this._select.value = chosen;
        this.repaint();
        this._parts.changed(chosen);
    }

    _list() {
        const option = (value, text) => element('option', { value, text });
        const own = element('optgroup', { label: 'Yours' }, ...this._given.map(({ name }) => option(OWN + name, line(name, 40))));
        this._select.replaceChildren(option('', 'none'), ...Object.entries(BUILT_IN).map(([key, name]) => option(key, name)), ...(this._given.length ? [own] : []));
        this._select.value = this._chosen;
        if (this._select.selectedIndex < 0) {
            this._chosen = this._select.value = '';
        }
    }

    _explain() {
        const found = this._overlay;
        this.legend.hidden = !found || !this._shown;
        if (!found) {
            this.legend.replaceChildren();
            return;
        }
        const { legend } = found;
        this.legend.replaceChildren(
            element('b', { text: titled(found) }),
            ...(legend.stops ? ramp(legend, found.odd) : words(legend)),
            element('p', { class: 'note', text: found.note, title: found.note }),
            button({ icon: 'close', label: 'No colours', class: 'tool', press: () => this.choose('') })
        );
    }
}

const titled = (found) => `${line(found.name, 60)}${found.log ? ', log scale' : ''}`;

function ramp({ stops, low, high, same }, odd) {
    const bar = element('span', { class: 'ramp', 'aria-hidden': 'true' });
    bar.style.background = same ? stops[stops.length - 1] : `linear-gradient(to right, ${stops.join(', ')})`;
    const ends = [same ? null : element('span', { text: low }), bar, element('span', { text: high })];
    return [
        low ? element('span', { class: 'range' }, ...ends) : element('span', { text: odd ? 'no finite number' : 'nothing here has a value' }),
        ...(odd ? [chip(ODD, `NaN or infinite: ${odd}`)] : [])
    ];
}

function words({ entries, others }) {
    return [...entries.map(({ word, fill }) => chip(fill, line(word, 40))), ...(others ? [chip(OTHER, `${others} other words`)] : [])];
}

function chip(fill, text) {
    const made = element('span', { class: 'chip' });
    made.style.background = fill;
    return element('span', { class: 'entry' }, made, element('span', { text }));
}

/**
 * The table's column for an overlay.
 * @param {import('./overlay.js').Overlay} found
 * @returns {import('./columns.js').Column & {twin: string}}
 */
export function overlayColumn(found) {
    return {
        key: 'overlay', twin: found.key, title: line(found.name, 24), help: line(found.name, 60), number: !found.words, most: 130,
        text: ({ index }) => found.mark(index)?.text ?? '', full: ({ index }) => found.mark(index)?.full ?? '',
        order: (id) => found.order(id), paint: ({ index }) => (index > 0 || found.words ? found.mark(index) : null)
    };
}
