/** The second row: which side is shown when there is room for one, which truth, and Find. */

import { button, element } from './dom.js';
import { complaint, examplesButton } from './finder.js';

export class Toolbar {

    /**
     * @param {object} handlers
     * @param {(query: string) => {label: string, error: string}} handlers.search Gives the label to show, or what is wrong.
     * @param {(step: number) => string} handlers.move
     * @param {(kind: 'structure'|'onnx') => void} handlers.kind
     * @param {(tab: 'graph'|'table'|'parameters'|'tune') => void} handlers.tab
     * @param {boolean} live Whether a kernel answers: then there is an ONNX view, and a model to train.
     * @param {HTMLElement} colour What chooses the colours.
     */
    constructor(handlers, live, colour) {
        this._handlers = handlers;
        this._tabs = choice('Side', [['graph', 'Graph', 'graph'], ['table', 'Table', 'table'], ['parameters', 'Parameters', 'values'], ...(live ? [['tune', 'Fine-tune', 'tune']] : [])], handlers.tab, 'tabs');
        this._kinds = choice('View', [['structure', 'Structure', 'structure'], ['onnx', 'ONNX', 'onnx']], handlers.kind, 'kinds');
        this._field = element('input', {
            type: 'search', placeholder: 'Find', 'aria-label': 'Find by name, path, type, shape or filter', spellcheck: 'false',
            title: 'Find by name, path, type, operator, shape, or a filter such as params>1M ( / )',
            on: { input: () => this._typed(), keydown: (event) => this._key(event) }
        });
        this._count = element('span', { class: 'count', role: 'status' });
        this._previous = button({ icon: 'previous', label: 'Previous hit', class: 'tool', press: () => this._move(-1) });
        this._next = button({ icon: 'next', label: 'Next hit', class: 'tool', press: () => this._move(1) });
        this._complaint = complaint();
        this._examples = examplesButton(() => this.node, (text) => this._type(text));
        this.node = element('div', { class: 'bar toolbar' }, this._tabs.node, live ? this._kinds.node : null, colour,
            element('div', { class: 'find', role: 'search' }, this._field, this._count, this._previous, this._next, this._examples, this._complaint.node));
        this._label('');
    }

    focusFind() {
        this._field.focus();
        this._field.select();
    }

    /** Look again for what is typed, after the recording has changed. */
    again() {
        const { label, error } = this._handlers.search(this._field.value);
        this._complaint.say(error);
        this._field.setAttribute('aria-invalid', String(Boolean(error)));
        this._label(label);
    }

    set tab(tab) {
        this._tabs.value = tab;
    }

    set kind(kind) {
        this._kinds.value = kind;
    }

    _type(text) {
        this._field.value = text;
        this.again();
        this._field.focus();
    }

    _typed() {
        clearTimeout(this._timer);
        this._timer = setTimeout(() => this.again(), 80);
    }

    _key(event) {
        if (event.key === 'Enter') {
            event.preventDefault();
            clearTimeout(this._timer);
            this.again();
            this._move(event.shiftKey ? -1 : 1);
        } else if (event.key === 'Escape' && this._field.value) {
            event.stopPropagation();
            this._field.value = '';
            this.again();
        }
    }

    _move(step) {
        this._label(this._handlers.move(step));
    }

    _label(text) {
        this._count.textContent = text;
        const idle = !text || text === 'none';
        this._previous.disabled = idle;
        this._next.disabled = idle;
    }
}

/** Two or more buttons of which one is pressed. */
function choice(label, options, chosen, name) {
    const node = element('div', { class: `choice ${name}`, role: 'group', 'aria-label': label });
    const made = new Map(options.map(([value, text, icon]) => [value, button({ icon, text, label: text, class: value, press: () => chosen(value) })]));
    node.append(...made.values());
    return {
        node,
        set value(value) {
            for (const [each, button] of made) {
                button.setAttribute('aria-pressed', String(each === value));
            }
        }
    };
}
