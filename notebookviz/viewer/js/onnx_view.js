/** The ONNX view: asks for an export, follows it, and opens its result in the page. */

import { seconds } from './format.js';

const STAGES = { done: 'plain', failed: 'error', cancelled: 'plain' };

export class OnnxView {

    /**
     * @param {object} parts
     * @param {(method: string, params?: object) => Promise<{result: any, buffers: Uint8Array[]}>} parts.request
     * @param {import('./stage.js').Stage} parts.stage
     * @param {import('./status.js').Status} parts.status
     * @param {(name: string, bytes: Uint8Array) => void} parts.open
     * @param {(text: string) => void} parts.report
     */
    constructor(parts) {
        this._parts = parts;
        this._job = null;
        this._shown = false;
        this._clock = null;
        this._functions = false;
        this._forget();
    }

    /** What the status line offers while nothing was exported. */
    get plain() {
        return this._job?.state === 'done' ? this._job.message : 'ONNX: not exported.';
    }

    /** Whether the status line has to offer the export: the view itself does where it is shown. */
    get offered() {
        return this._job === null && !this._shown;
    }

    show() {
        this._shown = true;
        this._again();
        this._draw();
    }

    hide() {
        this._shown = false;
        this._parts.stage.modules = null;
        this._parts.status.say('grouping', null);
        this._parts.stage.cover(null);
        this._again();
    }

    /** A question stands in the status line only where the view does not show it. */
    _again() {
        if (this._job?.question) {
            this._ask();
        }
    }

    /** The model was traced again: what was exported is of the old one. */
    reset() {
        this._forget();
        this._job = null;
        this._parts.status.say('done', null);
        if (this._shown) {
            this._draw();
        }
    }

    /** @param {object} [params] `{path}` to write a file where the kernel runs. */
    async start(params = {}) {
        this._forget();
        this.hear({ state: 'running', stage: 'starting', seconds: 0, message: '' });
        try {
            await this._parts.request('export', params);
        } catch (error) {
            this.hear({ state: 'failed', stage: '', seconds: 0, message: error.message, report: false });
        }
    }

    /** Follow the job. @param {object} job What Python tells of it. */
    hear(job) {
        this._job = { ...job, heard: performance.now() };
        clearInterval(this._clock);
        const { status } = this._parts;
        if (job.state === 'running' && job.question) {
            status.say('done', null);
            this._ask();
        } else if (job.state === 'running') {
            status.say('done', null);
            this._clock = setInterval(() => this._tick(), 1000);
            this._tick();
        } else {
            status.say('job', null);
            status.say('done', {
                text: job.message, tone: STAGES[job.state], action: job.report ? 'Report' : undefined, press: () => this._report()
            });
        }
        if (this._shown) {
            this._draw();
        }
    }

    close() {
        clearInterval(this._clock);
    }

    _tick() {
        const { stage, heard, seconds: told } = this._job;
        const now = told + (performance.now() - heard) / 1000;
        this._parts.status.say('job', { text: `Exporting to ONNX: ${stage}, ${Math.round(now)} s.`, action: 'Cancel', press: () => this._cancel() });
        if (this._shown) {
            this._draw();
        }
    }

    _ask() {
        const { question, action } = this._job;
        this._parts.status.say('job', this._shown ? { text: 'The export waits for your answer.', action: 'Cancel', press: () => this._cancel() }
            : { text: question, tone: 'warning', action, press: () => this._allow() });
    }

    _allow() {
        this._parts.request('allow').catch((error) => this._parts.status.say('error', { text: error.message, tone: 'error' }));
    }

    _cancel() {
        this._parts.request('cancel').catch((error) => this._parts.status.say('error', { text: error.message, tone: 'error' }));
    }

    async _report() {
        try {
            const { result } = await this._parts.request('report');
            this._parts.report(result.text);
        } catch (error) {
            this._parts.status.say('error', { text: error.message, tone: 'error' });
        }
    }

    /** The modules as functions, or the graph flat. */
    _turn() {
        this._functions = !this._functions;
        this._open();
    }

    _draw() {
        const { stage } = this._parts;
        const job = this._job;
        if (!job || job.state === 'cancelled') {
            stage.cover({
                title: job ? 'The export was cancelled.' : 'Not exported yet.',
                text: 'torch.onnx exports a copy of the model without its weights, in a process of its own. Your model is not touched.',
                action: 'Export', press: () => this.start()
            });
        } else if (job.state === 'running' && job.question) {
            stage.cover({ title: 'The export needs your leave.', text: job.question, action: job.action, press: () => this._allow() });
        } else if (job.state === 'running') {
            const now = job.seconds + (performance.now() - job.heard) / 1000;
            stage.cover({ title: `Exporting: ${job.stage}`, text: seconds(now), busy: true, action: 'Cancel', press: () => this._cancel() });
        } else if (job.state === 'failed') {
            stage.cover({ title: 'The export failed.', text: job.message, action: 'Try again', press: () => this.start() });
        } else {
            this._open();
        }
    }

    /** Let go of the graph, flat and in functions. */
    _forget() {
        this._files = new Map();
        this._parts.stage.modules = null;
    }

    async _open() {
        const { stage, request, open, status } = this._parts;
        const [files, functions] = [this._files, this._functions];
        stage.modules = { pressed: functions, press: () => this._turn() };
        try {
            if (!files.has(functions)) {
                stage.cover({ title: functions ? 'Grouping by modules…' : 'Opening…', busy: true });
                const { result, buffers } = await request('file', { functions });
                files.set(functions, { name: result.name, bytes: buffers[0], notes: result.notes ?? [] });
            }
            if (this._shown && this._files === files && this._functions === functions) {
                const { name, bytes, notes } = files.get(functions);
                stage.cover(null);
                open(name, bytes);
                status.say('grouping', notes.length ? { text: notes.join(' '), tone: 'warning' } : null);
            }
        } catch (error) {
            stage.cover({ title: 'The export can’t be opened.', text: error.message });
        }
    }
}
