/** The header: what is shown, in one line, and what can be done with the whole. */

import { button, element, icon } from './dom.js';
import { count, digits, memory } from './format.js';
import { openMenu, popover } from './popover.js';

/**
 * @typedef {object} Handlers
 * @property {() => void} refresh
 * @property {(size: string) => Promise<string>} input Looks with another input; gives an error text or ''.
 * @property {() => void} full
 * @property {{label: string, press: () => void}[]} saves
 */

export class Header {

    /** @param {object} subject @param {Handlers} handlers @param {boolean} live Whether there is a kernel to ask. */
    constructor(subject, handlers, live) {
        this._handlers = handlers;
        this._live = live;
        this._facts = element('div', { class: 'facts' });
        this._name = element('h2', { class: 'title', text: subject.name, title: subject.path || subject.name });
        this._full = button({ icon: 'full', text: 'Full', label: 'Full screen', class: 'tool', press: handlers.full });
        this._tools = element('div', { class: 'tools' });
        if (live && subject.kind === 'structure') {
            this._tools.append(button({ icon: 'refresh', label: 'Look at the model again', class: 'tool', press: handlers.refresh }));
        }
        if (handlers.saves.length) {
            this._tools.append(this._saveMenu());
        }
        this._tools.append(this._full);
        this.node = element('header', { class: 'bar header' }, this._name, this._facts, this._tools);
        if (subject.kind === 'file') {
            this._facts.append(element('span', { class: 'fact', text: memory(subject.size || 0) }));
        }
    }

    /** @param {import('./recording.js').Recording} recording */
    set recording({ data, nodes, totals, mode, tensors }) {
        const fact = (text, title, name = '') => element('span', { class: `fact ${name}`, text, title });
        const facts = [];
        const frozen = totals.params && totals.trainable !== totals.params ? `, ${count(totals.trainable)} trainable` : '';
        facts.push(fact(`${count(totals.params)} params${frozen}`, `${digits(totals.params)} parameters, ${digits(totals.trainable)} trainable`));
        if (totals.macs) {
            const [sign, least] = data.failure || nodes.some(({ marks }) => marks.includes('uncounted')) ? ['≥ ', 'At least '] : ['', ''];
            facts.push(fact(`${sign}${amount(totals.macs, 'MACs')}`, `${least}${digits(totals.macs)} multiply-adds for this input`));
        }
        facts.push(this._input(data, tensors));
        facts.push(fact(mode, mode === 'eval' ? 'Traced in eval mode; the model’s own mode is unchanged' : 'Traced in train mode', 'mode'));
        this._facts.replaceChildren(...facts);
    }

    /** @param {boolean} full */
    set full(full) {
        this._full.replaceChildren(icon(full ? 'shrink' : 'full'), element('span', { class: 'label', text: full ? 'Leave' : 'Full' }));
        this._full.setAttribute('aria-label', full ? 'Leave full screen' : 'Full screen');
        this._full.title = full ? 'Leave full screen (Esc)' : 'Full screen';
    }

    _input(data, tensors) {
        const text = tensors === 'none' && !data.input ? 'input unknown' : `in ${data.input}`;
        const node = element('span', { class: 'fact input', title: data.input });
        const wide = (part) => element('span', { class: 'wide', text: part });
        node.append(element('span', { class: 'size', text }));
        if (this._live && data.input !== undefined) {
            const word = data.inferred ? 'inferred, edit' : 'edit';
            const open = element('button', { type: 'button', class: 'link', 'aria-haspopup': 'dialog', title: `Look with another input than ${data.input}` },
                wide(word), element('span', { class: 'narrow', text: 'edit input' }));
            open.addEventListener('click', () => this._edit(open, data.input));
            node.append(wide(' ('), open, wide(')'));
        } else if (data.inferred) {
            node.append(wide(' (inferred)'));
        }
        return node;
    }

    _edit(anchor, input) {
        const field = element('input', { type: 'text', value: input || '', spellcheck: 'false', 'aria-label': 'Input size, for example 1×3×224×224 float32' });
        const said = element('p', { class: 'said', role: 'alert' });
        const go = element('button', { type: 'submit', class: 'action', text: 'Look' });
        const form = element('form', { class: 'popover edit', role: 'dialog', 'aria-label': 'Input size' },
            element('label', { text: 'Input size' }, field), go, said);
        form.style.width = `max(340px, ${Math.min(64, field.value.length + 2)}ch + 90px)`;
        form.addEventListener('submit', async (event) => {
            event.preventDefault();
            go.disabled = true;
            said.textContent = 'Looking…';
            const error = await this._handlers.input(field.value);
            go.disabled = false;
            said.textContent = error;
            if (!error) {
                close();
            }
        });
        const close = popover(this.node, anchor, form);
        field.focus();
        field.select();
    }

    _saveMenu() {
        const open = button({ icon: 'save', text: 'Save', label: 'Save', class: 'tool', press: () => {
            openMenu(this.node, open, 'Save', this._handlers.saves.map(({ label, press }) => ({ label, press: () => press(open) })));
        } });
        open.setAttribute('aria-haspopup', 'menu');
        return open;
    }
}

/** @param {number} number @param {string} unit @returns {string} `4.09 GMACs`, `128 MACs`. */
function amount(number, unit) {
    const text = count(number);
    return /[a-z]$/i.test(text) ? `${text}${unit}` : `${text} ${unit}`;
}
