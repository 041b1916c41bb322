/** The status line: the most urgent sentence, and at most one button. */

import { element } from './dom.js';

const ORDER = ['error', 'job', 'route', 'notice', 'failure', 'grouping', 'done', 'plain'];

/** @typedef {import('./failure.js').Line} Line */
/** @typedef {{text: string, lines?: Line[], tone?: 'error'|'warning'|'plain', action?: string, press?: () => void}} Sentence */

export class Status {

    constructor() {
        /** @type {Map<string, Sentence>} */
        this._said = new Map();
        this._text = element('span', { class: 'text', role: 'status', 'aria-live': 'polite' });
        this._button = element('button', { type: 'button', class: 'action', hidden: true });
        this._button.addEventListener('click', () => this._current?.press?.());
        this.node = element('footer', { class: 'status' }, this._text, this._button);
    }

    /**
     * Say something, or nothing more, about one matter.
     * @param {'error'|'job'|'notice'|'route'|'failure'|'grouping'|'done'|'plain'} matter
     * @param {Sentence|null} sentence
     */
    say(matter, sentence) {
        if (sentence) {
            this._said.set(matter, sentence);
        } else {
            this._said.delete(matter);
        }
        this._show();
    }

    _show() {
        const matter = ORDER.find((each) => this._said.has(each));
        const current = matter ? this._said.get(matter) : null;
        this._current = current;
        const text = current?.text ?? '';
        if (this._text.title !== text) {
            this._text.replaceChildren(...(current?.lines?.map(line) ?? [text]));
            this._text.title = text;
        }
        this._text.classList.toggle('lines', Boolean(current?.lines));
        this.node.dataset.tone = current?.tone ?? 'plain';
        this._button.hidden = !current?.action;
        this._button.textContent = current?.action ?? '';
    }
}

/** @param {Line} line */
function line({ name, text, code }) {
    return element('span', { class: 'line' }, element('b', { text: name }), ' ', element(code ? 'code' : 'span', { text }), ' ');
}
