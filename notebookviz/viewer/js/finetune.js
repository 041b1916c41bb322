/** The Fine-tune tab: asks Python what would be done, starts and stops a training, and shows it. */

import { chart, number } from './chart.js';
import { button, element } from './dom.js';
import { Run, runs } from './finetune_run.js';
import { Steps } from './finetune_steps.js';
import { Ticks } from './ticks.js';

const PAUSE = 250; // ms after the last change before Python is asked

export class FineTune {

    /**
     * @param {object} kept What was set before.
     * @param {object} parts
     * @param {(method: string, params?: object) => Promise<{result: any}>} parts.ask
     * @param {(ticks: Ticks|null) => void} parts.tick Ticks for the table.
     * @param {(names: Set<string>|null) => void} parts.stage What will learn.
     * @param {() => void} parts.colour Show it in the graph.
     * @param {() => boolean} parts.waits Whether Python hears nothing while a cell runs.
     * @param {(settings: object) => void} parts.keep
     * @param {(written: {cells: string[], notes: string[]}) => void} parts.insert Put cells into the notebook.
     */
    constructor(kept, parts) {
        this._parts = parts;
        this._run = null;
        this._asked = 0;
        this._recording = null;
        this._steps = new Steps(kept, {
            changed: () => this._changed(), look: () => this._look(), rates: () => this._findRates(), colour: () => this._colour(), start: () => this._start(), insert: () => this._insert()
        });
        this._runView = new Run(() => this._stop());
        this._wrong = element('p', { class: 'wrong', role: 'alert', hidden: true });
        this.node = element('section', { class: 'tuning', 'aria-label': 'Fine-tune' }, this._runView.node, this._wrong, ...this._steps.nodes);
    }

    /** Another recording is drawn: of a model with another head, or after Refresh. @param {import('./recording.js').Recording} recording */
    take(recording) {
        this._recording = recording;
        if (this._open) {
            this._plan();
        }
    }

    /** The tab is seen for the first time, or again. @param {boolean} shown */
    set shown(shown) {
        const first = shown && !this._open;
        this._open = shown;
        if (first) {
            this._look();
        }
        if (!shown && this._steps.settings.learn !== 'ticks') {
            this._parts.tick(null);
        } else {
            this._tick();
        }
    }

    /** The kernel is gone, or the panel was closed there. @param {'gone'|'closed'} end */
    leave(end) {
        this._runView.leave(end);
    }

    /** @param {string} name @param {object} data */
    hear(name, data) {
        if (name === 'training') {
            this._take(data.run);
        } else {
            this._showRates(data);
        }
    }

    async _look() {
        try {
            const { result } = await this._parts.ask('tuning');
            this._steps.sources = result.sources;
            this._steps.transforms = result.transforms;
            this._steps.folder = result.folder;
            this._take(result.run);
            await this._plan();
        } catch (error) {
            this._complain(error.message);
        }
    }

    _changed() {
        this._parts.keep(this._steps.settings);
        clearTimeout(this._later);
        this._later = setTimeout(() => this._plan(), PAUSE);
    }

    async _plan() {
        if (runs(this._run)) {
            return;
        }
        const turn = ++this._asked;
        this.node.setAttribute('aria-busy', 'true');
        try {
            const { result } = await this._parts.ask('plan', this._steps.asked);
            if (turn !== this._asked) {
                return;
            }
            this._complain('');
            this._steps.plan = result;
            this._learns = result.learn.names ?? null;
            this._tick();
        } catch (error) {
            if (turn === this._asked) {
                this._complain(error.message);
            }
        } finally {
            if (turn === this._asked) {
                this.node.removeAttribute('aria-busy');
            } else if (!this.node.hasAttribute('aria-busy')) {
                this._plan(); // what was asked later has its answer, which may be that this one still read the data
            }
        }
    }

    /** Show in the table what will learn. */
    _tick() {
        const staged = this._recording && this._learns && !runs(this._run) && (this._open || this._steps.settings.learn === 'ticks');
        this._parts.tick(staged ? new Ticks(this._recording, this._learns, (names) => {
            this._learns = names;
            this._parts.stage(new Set(names));
            this._steps.take({ learn: 'ticks', names });
        }) : null);
        this._parts.stage(staged ? new Set(this._learns) : null);
    }

    async _start() {
        this._steps.busy = true;
        this._complain('');
        try {
            await this._parts.ask('train', this._steps.asked);
            this.node.scrollTop = 0; // where the training is seen
        } catch (error) {
            this._complain(error.message);
            this._steps.busy = runs(this._run);
        }
    }

    async _insert() {
        this._complain('');
        try {
            const { result } = await this._parts.ask('cells', this._steps.asked);
            this._parts.insert(result);
        } catch (error) {
            this._complain(error.message);
        }
    }

    async _stop() {
        await this._parts.ask('halt').catch((error) => this._complain(error.message));
    }

    _colour() {
        this._parts.colour();
    }

    async _findRates() {
        this._steps.busy = true;
        this._steps.rates.replaceChildren(element('p', { class: 'says', role: 'status', text: 'Trying rising learning rates…' }),
            button({ text: 'Stop', class: 'action', title: 'Stop the search; the model is put back', press: () => this._stop() }));
        try {
            await this._parts.ask('rates', this._steps.asked);
        } catch (error) {
            this._showRates({ error: error.message });
        }
    }

    _showRates({ error, text, suggestion, rates, losses, smoothed }) {
        this._steps.busy = runs(this._run);
        if (error) {
            this._steps.rates.replaceChildren(element('p', { class: 'wrong', role: 'alert', text: error }));
            return;
        }
        const [low, high] = [Math.min(...losses), Math.max(losses[0], smoothed[0])];
        const lr = Number(suggestion?.toPrecision(2));
        const use = suggestion ? button({ text: `Use ${number(lr)}`, class: 'action', press: () => this._steps.take({ lr }) }) : null;
        this._steps.rates.replaceChildren(...[chart('Loss by learning rate', [
            { name: 'loss', kind: 'train', points: rates.map((rate, index) => [rate, losses[index]]) },
            { name: 'smoothed', kind: 'val', points: rates.map((rate, index) => [rate, smoothed[index]]) }
        ], { log: true, mark: suggestion, within: [low, high + 0.3 * (high - low || 1)] }), element('p', { class: 'says', role: 'status', text }), use].filter(Boolean));
    }

    _take(run) {
        const before = runs(this._run);
        this._run = run;
        this._runView.show(run, this._parts.waits());
        const now = runs(run);
        this._steps.busy = now;
        if (now !== before) {
            this._tick();
            if (before) {
                this._look();
            }
        }
    }

    _complain(text) {
        this._wrong.textContent = text;
        this._wrong.hidden = !text;
    }
}
