/** A training as it runs and as it ended: progress, curves, numbers, words, Stop. */

import { chart, number } from './chart.js';
import { button, element } from './dom.js';
import { digits, memory } from './format.js';
import { sample } from './sample.js';

const STATES = { preparing: 'Preparing', running: 'Training', ending: 'Measuring', done: 'Done', stopped: 'Stopped', failed: 'Failed', gone: 'Ended', closed: 'Not followed any more' };
const ENDS = { gone: 'The kernel is gone, and the training with it.', closed: 'Where it still runs, show() follows it again.' };
const BUSY = new Set(['preparing', 'running', 'ending']);

/** @param {object} run A snapshot of a training. @returns {boolean} Whether it has not ended. */
export function runs(run) {
    return BUSY.has(run?.state);
}

export class Run {

    /** @param {() => void} stop */
    constructor(stop) {
        this._title = element('h3', {});
        this._bar = element('progress', { max: 1, value: 0, 'aria-label': 'Progress of the training' });
        this._stop = button({ text: 'Stop', class: 'action stop', title: 'Stop after this step; what was learned is kept', press: stop });
        this._facts = element('p', { class: 'numbers' });
        this._charts = element('div', { class: 'charts' });
        this._advice = element('p', { class: 'advice', role: 'status' });
        this._message = element('p', { class: 'message', role: 'status' });
        this._result = element('div', { class: 'result' });
        this.node = element('section', { class: 'tuning-run', 'aria-label': 'Training', hidden: true }, element('div', { class: 'fields' }, this._title, this._bar, this._stop),
            this._facts, this._message, this._advice, this._charts, this._result);
    }

    /** Nothing more is heard of a training that runs. @param {'gone'|'closed'} end */
    leave(end) {
        if (runs(this._run)) {
            this.show({ ...this._run, state: end, left: null, awaits: '', message: ENDS[end] }, false);
        }
    }

    /** @param {object} run The snapshot. @param {boolean} waits Whether Python hears nothing while a cell runs. */
    show(run, waits) {
        this._run = run;
        this.node.hidden = !run?.state;
        if (!run?.state) {
            return;
        }
        const going = runs(run);
        this.node.dataset.state = run.state;
        const where = run.step && run.steps ? `, step ${digits(run.step)} of ${digits(run.steps)}` : '';
        this._title.textContent = run.epochs?.length || run.step ? `${STATES[run.state]}: epoch ${run.epoch} of ${run.planned}${where}` : STATES[run.state];
        this._bar.hidden = !going;
        this._bar.value = run.steps ? (run.step ?? 0) / run.steps : 0;
        this._stop.hidden = !going;
        const inCell = waits && run.background === false;
        this._stop.disabled = inCell;
        this._stop.title = inCell ? 'A cell trains: use the notebook’s interrupt' : 'Stop after this step; what was learned is kept';
        this._facts.textContent = facts(run).join(' · ');
        this._message.textContent = [run.message, run.awaits].filter(Boolean).join(' ');
        this._message.hidden = !this._message.textContent;
        this._advice.textContent = (run.advice ?? []).join(' ');
        this._advice.hidden = !run.advice?.length;
        this._charts.replaceChildren(...charts(run));
        this._result.replaceChildren(...result(run));
    }
}

function facts(run) {
    const found = [];
    if (run.left !== null && run.left !== undefined) {
        found.push(`${duration(run.left)} left`);
    }
    if (run.seconds) {
        found.push(runs(run) ? `${duration(run.seconds)} so far` : `took ${duration(run.seconds)}`);
    }
    if (run.lr !== undefined) {
        found.push(`learning rate ${number(run.lr)}`);
    }
    if (run.rate) {
        found.push(`${number(run.rate)} samples/s`);
    }
    if (run.memory) {
        found.push(`${memory(run.memory)} memory at its peak`);
    }
    return found;
}

function charts(run) {
    const epochs = run.epochs ?? [];
    const found = [];
    if (run.losses?.length) {
        found.push(chart('Loss', [
            { name: 'training', kind: 'train', points: run.losses },
            { name: 'validation', kind: 'val', points: epochs.map(({ step, val_loss: loss }) => [step, loss]) }
        ], { across: 'step' }));
    }
    const names = [...new Set(epochs.flatMap(({ metrics }) => Object.keys(metrics)).map((name) => name.replace(/^(train|val)_/, '')))];
    for (const name of names) {
        found.push(chart(name, [['training', 'train'], ['validation', 'val']].map(([title, kind]) => ({
            name: title, kind, points: epochs.filter(({ metrics }) => `${kind}_${name}` in metrics).map(({ epoch, metrics }) => [epoch, metrics[`${kind}_${name}`]])
        })), { across: 'epoch' }));
    }
    return found;
}

function result(run) {
    const found = [];
    if (run.measured) {
        found.push(element('p', { class: 'scores' }, ...Object.entries(run.measured).flatMap(([name, value]) => [element('b', { text: number(value) }), ` ${name}  `])));
    }
    if (run.unmeasured) {
        found.push(element('p', { class: 'says', text: run.unmeasured }));
    }
    if (run.confusion) {
        found.push(confusion(run.confusion, run.names));
    }
    if (run.mistakes?.length) {
        found.push(element('p', { text: 'The worst mistakes: what it is, and what the model says.' }), element('ul', { class: 'samples' }, ...run.mistakes.map(sample)));
    }
    if (run.last) {
        found.push(element('p', {}, 'Checkpoints: ', element('code', { text: run.last }), run.best?.[3] ? ', the best ' : null, run.best?.[3] ? element('code', { text: run.best[3] }) : null));
    }
    return found;
}

/** How often each class was taken for each. @param {number[][]} rows @param {string[]} names */
function confusion(rows, names) {
    const most = Math.max(1, ...rows.flat());
    const cell = (value) => {
        const made = element('td', { text: String(value) });
        made.style.setProperty('--part', String(value / most));
        return made;
    };
    return element('table', { class: 'confusion' }, element('caption', { text: 'Rows: what it is. Columns: what the model says.' }),
        element('thead', {}, element('tr', {}, element('td', {}), ...names.map((name) => element('th', { scope: 'col', text: name })))),
        element('tbody', {}, ...rows.map((row, index) => element('tr', {}, element('th', { scope: 'row', text: names[index] }), ...row.map(cell)))));
}

function duration(seconds) {
    const whole = Math.round(seconds);
    return whole < 60 ? `${whole} s` : whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}
