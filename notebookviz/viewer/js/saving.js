/** Saving what is seen: the Save menu, and the pictures that Python keeps or asks for. */

import { download, gzip, toBase64 } from './bytes.js';
import { savePath } from './save.js';

const PICTURES = { svg: 'image/svg+xml', png: 'image/png' };
const TEXTS = { csv: 'text/csv', dot: 'text/vnd.graphviz', mermaid: 'text/plain' };
const PAUSE = 800; // after the last drawing, before its picture is sent

export class Saving {

    /**
     * @param {object} parts
     * @param {{kind: 'structure'|'file', name: string}} parts.subject
     * @param {boolean} parts.live Whether there is a kernel to ask.
     * @param {(method: string, params?: object) => Promise<{result: any, buffers: Uint8Array[]}>} parts.request
     * @param {(message: object) => void} parts.post To the page.
     * @param {import('./status.js').Status} parts.status
     * @param {HTMLElement} parts.root
     * @param {() => object} parts.seen What is open, and what fills the canvas.
     * @param {(options: object) => void} parts.exported Starts the export.
     */
    constructor(parts) {
        this._parts = parts;
        this._number = 0;
        this._waiting = new Map();
        this._timer = null;
    }

    /** The entries of the Save menu: what can't work is absent. */
    get entries() {
        const { live, subject } = this._parts;
        const structural = subject.kind === 'structure';
        const entry = (label, press) => ({ label, press: (anchor) => this._try(() => press(anchor)) });
        return [
            entry('SVG picture', () => this._savePicture('svg')),
            entry('PNG picture', () => this._savePicture('png')),
            ...(live && structural ? [
                entry('Table as CSV', () => this._saveText('csv')),
                entry('Graph as DOT', () => this._saveText('dot')),
                entry('Graph as Mermaid', () => this._saveText('mermaid'))
            ] : []),
            ...(live ? [entry('HTML page', () => this._saveHtml())] : []),
            ...(live && structural ? [entry('ONNX file…', (anchor) => this._saveOnnx(anchor))] : [])
        ];
    }

    /** The page has drawn: when it rests, its picture goes to Python, for where no script runs. */
    drawn() {
        clearTimeout(this._timer);
        if (this._parts.live) {
            this._timer = setTimeout(() => this.send('svg').catch(() => null), PAUSE);
        }
    }

    /** Send a picture to Python. @param {'svg'|'png'} kind @param {number} [number] The number with which it was asked for. */
    async send(kind, number) {
        const answer = { kind, number };
        try {
            const bytes = await this._picture(kind);
            answer.data = toBase64(kind === 'svg' ? await gzip(bytes) : bytes);
        } catch (error) {
            answer.error = error.message;
        }
        await this._parts.request('picture', answer);
    }

    /** The page's answer. @param {{id: number, bytes?: Uint8Array, error?: string}} message */
    hear({ id, bytes, error }) {
        const waiting = this._waiting.get(id);
        this._waiting.delete(id);
        if (error) {
            waiting?.reject(new Error(error));
        } else {
            waiting?.resolve(bytes);
        }
    }

    close() {
        clearTimeout(this._timer);
    }

    /** @param {'svg'|'png'} kind @returns {Promise<Uint8Array>} */
    _picture(kind) {
        return new Promise((resolve, reject) => {
            const id = ++this._number;
            this._waiting.set(id, { resolve, reject });
            this._parts.post({ type: 'picture', id, kind });
        });
    }

    async _savePicture(kind) {
        download(this._name(kind), await this._picture(kind), PICTURES[kind]);
    }

    async _saveText(kind) {
        const { buffers } = await this._parts.request('text', { kind, ...this._parts.seen() });
        download(this._name(kind === 'mermaid' ? 'mmd' : kind), buffers[0], TEXTS[kind]);
    }

    async _saveHtml() {
        const { buffers } = await this._parts.request('html');
        download(this._name('html'), buffers[0], 'text/html');
    }

    _saveOnnx(anchor) {
        savePath(this._parts.root, anchor, this._parts.subject.name, this._parts.exported);
    }

    _name(suffix) {
        return `${this._parts.subject.name.replace(/[^\w.-]+/g, '_').slice(0, 80) || 'model'}.${suffix}`;
    }

    async _try(act) {
        try {
            await act();
        } catch (error) {
            this._parts.status.say('error', { text: error.message, tone: 'error' });
        }
    }
}
