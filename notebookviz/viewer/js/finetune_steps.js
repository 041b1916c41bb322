/** The four steps of a fine-tuning: what can be set, what would be done, and what is wrong, beside each. */

import { button, element } from './dom.js';
import { sample } from './sample.js';
import { line } from './text.js';

const DEFAULTS = {
    head: 'fit', classes: 10, path: '', learn: 'head', blocks: 1, rank: 8, names: [], source: '', validation: 'split', share: 0.2, transform: '', batch: 32,
    optimizer: 'AdamW', lr: 0.001, schedule: 'cosine', epochs: 3, patience: 0, seed: 0, folder: null
};
const HEADS = [['fit', 'as many classes as the data'], ['count', 'this many classes'], ['keep', 'the head as it is']];
const LEARNS = [['head', 'the head only'], ['last', 'the last blocks'], ['all', 'all of it'], ['lora', 'LoRA beside linear layers'], ['ticks', 'what is ticked in the table'], ['as is', 'as it is now']];
const TRANSFORMS = [['', 'as the weights want them'], ['*', 'by size alone']];
const NUMBERS = new Set(['classes', 'blocks', 'rank', 'share', 'batch', 'lr', 'epochs', 'patience', 'seed']);

export class Steps {

    /**
     * @param {object} kept What was set before.
     * @param {object} handlers
     * @param {() => void} handlers.changed Something was set.
     * @param {() => void} handlers.look Look again for data.
     * @param {() => void} handlers.rates Find a learning rate.
     * @param {() => void} handlers.colour Show in the graph what will learn.
     * @param {() => void} handlers.start
     * @param {() => void} handlers.insert Write the same steps as cells.
     */
    constructor(kept, handlers) {
        this._handlers = handlers;
        this.settings = { ...DEFAULTS, ...kept };
        this._said = {};
        this._fields = {};
        this._sources = [];
        const look = button({ text: 'Look again', class: 'action', title: 'Look for data in the notebook again', press: handlers.look });
        this._samples = element('ul', { class: 'samples', 'aria-label': 'One batch with its labels', hidden: true });
        this._rates = button({ text: 'Find a learning rate', class: 'action', title: 'Try rising rates on the training data; the model is put back', press: handlers.rates });
        this.rates = element('div', { class: 'rates' });
        this._start = button({ text: 'Start', class: 'action start', press: handlers.start });
        this._insert = button({ text: 'Insert as cells', class: 'action', title: 'Write these steps as plain PyTorch below this cell', press: handlers.insert });
        const colour = button({ text: 'Show in the graph', class: 'action', title: 'Colour the graph by what will learn', press: handlers.colour });
        this.nodes = [
            this._step('head', '1', 'Head', this._choice('head', 'The model gets', HEADS), this._number('classes', 'Classes', { min: 1, step: 1 }), this._text('path', 'Layer', 'found by itself')),
            this._step('learn', '2', 'What learns', this._choice('learn', 'Train', LEARNS), this._number('blocks', 'Blocks', { min: 1, step: 1 }), this._number('rank', 'Rank', { min: 1, step: 1 }), colour),
            this._step('data', '3', 'Data and optimiser', this._choice('source', 'Learn from', []), look, this._choice('validation', 'Validate on', []),
                this._number('share', 'Share', { min: 0.05, max: 0.9, step: 0.05 }), this._choice('transform', 'Prepare images', TRANSFORMS), this._number('batch', 'Batch size', { min: 1, step: 1 }), this._samples,
                this._choice('optimizer', 'Optimiser', ['AdamW', 'SGD'].map((each) => [each, each])), this._number('lr', 'Learning rate', { min: 0, step: 'any' }),
                this._choice('schedule', 'Schedule', ['cosine', 'linear', 'constant'].map((each) => [each, each])), this._rates, this.rates),
            this._step('run', '4', 'Run', this._number('epochs', 'Epochs', { min: 1, step: 1 }), this._number('patience', 'Stop after epochs without gain', { min: 0, step: 1 }),
                this._number('seed', 'Seed', { min: 0, step: 1 }), this._text('folder', 'Checkpoints in', 'kept nowhere'), this._start, this._insert)
        ];
        this._show();
    }

    /** What Python is asked with. */
    get asked() {
        const { head, classes, folder, ...rest } = this.settings;
        return { ...rest, folder: folder ?? this._fields.folder.value, head: head === 'keep' ? 'keep' : 'fit', classes: head === 'count' ? classes : 0 };
    }

    /** @param {{key: string, kind: string, text: string}[]} sources */
    set sources(sources) {
        this._sources = sources;
        const named = sources.map(({ key, text }) => [key, `${line(key, 40)} (${line(text, 60)})`]);
        const none = sources.length ? 'Choose…' : 'The notebook has no data yet';
        fill(this._fields.source, [['', none], ...named], this.settings.source);
        fill(this._fields.validation, [['split', 'a part of it'], ['none', 'nothing'], ...named], this.settings.validation);
        this._show();
    }

    /** The notebook's own preprocessing. @param {{key: string, text: string}[]} transforms */
    set transforms(transforms) {
        fill(this._fields.transform, [...TRANSFORMS, ...transforms.map(({ key, text }) => [key, `${line(key, 40)} (${line(text, 60)})`])], this.settings.transform);
    }

    /** Where checkpoints would go. @param {string} folder */
    set folder(folder) {
        if (this.settings.folder === null) {
            this._fields.folder.value = folder;
        }
    }

    /** What would be done, by step. @param {object} plan */
    set plan(plan) {
        for (const [name, { says, wrong }] of Object.entries(this._said)) {
            says.textContent = plan[name]?.text ?? '';
            wrong.textContent = plan[name]?.error ?? '';
            wrong.hidden = !plan[name]?.error;
        }
        this._fields.path.placeholder = plan.head?.path ? `found: ${plan.head.path}` : 'found by itself';
        this._fields.path.title = plan.head?.path ?? '';
        this._samples.hidden = !plan.samples?.length;
        this._samples.replaceChildren(...(plan.samples ?? []).map(sample));
        this._ready = Boolean(plan.data?.chosen) && Object.keys(this._said).every((name) => !plan[name]?.error);
        this._enable();
    }

    /** Whether a training runs, so that nothing can be set. @param {boolean} busy */
    set busy(busy) {
        this._busy = busy;
        this._enable();
    }

    /** Set something from elsewhere. @param {object} settings */
    take(settings) {
        Object.assign(this.settings, settings);
        for (const name of Object.keys(settings)) {
            if (this._fields[name]) {
                this._fields[name].value = String(settings[name]);
            }
        }
        this._show();
        this._handlers.changed();
    }

    focus() {
        this._fields.head.focus();
    }

    _enable() {
        for (const field of [...Object.values(this._fields), ...this.nodes.flatMap((node) => [...node.querySelectorAll('.action')])]) {
            field.disabled = Boolean(this._busy);
        }
        this._start.disabled = this._busy || !this._ready;
        this._rates.disabled = this._busy || !this._ready;
        this._insert.disabled = this._busy || !this._ready;
    }

    _step(name, digit, title, ...fields) {
        const says = element('p', { class: 'says' });
        const wrong = element('p', { class: 'wrong', role: 'alert', hidden: true });
        this._said[name] = { says, wrong };
        return element('section', { class: 'tuning-step', 'aria-label': `${digit} ${title}`, 'data-step': name },
            element('h3', {}, element('span', { class: 'digit', text: digit }), title), element('div', { class: 'fields' }, ...fields), says, wrong);
    }

    _field(name, label, input) {
        this._fields[name] = input;
        input.addEventListener('change', () => this._changed(name, input));
        input.id = `tuning-${name}`;
        return element('div', { class: `field ${name}` }, element('label', { for: input.id, text: label }), input);
    }

    _choice(name, label, options) {
        const select = element('select', {});
        fill(select, options, this.settings[name]);
        return this._field(name, label, select);
    }

    _number(name, label, limits) {
        return this._field(name, label, element('input', { type: 'number', value: String(this.settings[name]), ...limits }));
    }

    _text(name, label, placeholder) {
        return this._field(name, label, element('input', { type: 'text', value: this.settings[name] ?? '', placeholder, spellcheck: 'false' }));
    }

    _changed(name, input) {
        const value = NUMBERS.has(name) ? Number(input.value) : input.value;
        this.settings[name] = value;
        this._show();
        this._handlers.changed();
    }

    /** Only what matters for what is chosen can be set. */
    _show() {
        const { head, learn, validation, source } = this.settings;
        const kindOf = (wanted) => this._sources.find(({ key }) => key === wanted)?.kind;
        const kind = kindOf(source);
        const shown = { transform: kind === 'folder' || kindOf(validation) === 'folder', classes: head === 'count', path: head !== 'keep', blocks: learn === 'last', rank: learn === 'lora', share: validation === 'split', batch: kind !== 'loader' };
        for (const [name, visible] of Object.entries(shown)) {
            this._fields[name].parentElement.hidden = !visible;
        }
    }
}

function fill(select, options, chosen) {
    select.replaceChildren(...options.map(([value, text]) => element('option', { value, text })));
    select.value = chosen;
    if (select.selectedIndex < 0 && options.length) {
        select.selectedIndex = 0;
    }
}
