/**
 * Netron's host: what its view asks of the environment, answered from the port.  No telemetry, no consent, no update check.
 */
import { bytesOf } from './port.js';

export class Host {

    /**
     * @param {Window} window
     * @param {import('./port.js').Port} port
     * @param {import('./modules.js').Modules} modules
     * @param {import('./notice.js').Notice} notice
     * @param {string} version Netron's.
     */
    constructor(window, port, modules, notice, version) {
        this._window = window;
        this._port = port;
        this._modules = modules;
        this._notice = notice;
        this._version = version;
        this._options = {};
        this._types = [];
        /** What is loaded as the reader of `*.netron`, while a structure is opened. */
        this.format = null;
    }

    get window() {
        return this._window;
    }

    get document() {
        return this._window.document;
    }

    get version() {
        return this._version;
    }

    get type() {
        return 'Embed';
    }

    environment(name) {
        return { name: 'Netron', menu: true, platform: platform(this._window), agent: agent(this._window), repository: '' }[name];
    }

    async view(view) {
        this._view = view;
    }

    async start() {}

    event() {}

    update() {}

    openURL() {}

    async require(id) {
        return id === './message' && this.format ? this.format : this._modules.load(id.replace('./', ''));
    }

    /** Names of operators that the next metadata file is cut to; none means all. @param {string[]} types */
    wants(types) {
        this._types = types;
    }

    async asset(file) {
        const params = file.endsWith('-metadata.json') ? { name: file, types: file.startsWith('onnx') ? this._types : [] } : { name: file, types: [] };
        const { buffers } = await this._port.request('metadata', params);
        return new TextDecoder().decode(bytesOf(buffers[0]));
    }

    worker() {
        const text = this.document.getElementById('worker').textContent;
        const address = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
        const worker = new this._window.Worker(address);
        URL.revokeObjectURL(address);
        return worker;
    }

    get(name) {
        return name === 'options' ? this._options : undefined;
    }

    set(name, value) {
        if (name === 'options') {
            this._options = value;
            this._port.post({ type: 'options', options: value });
        }
    }

    delete(name) {
        this.set(name, {});
    }

    /** Options kept from earlier, before the view starts. @param {object} options */
    keep(options) {
        this._options = options || {};
    }

    async execute(name) {
        if (name === 'about' && this._view) {
            this._view.about();
        }
    }

    /** Netron's messages; without arguments the one that stands is taken away. */
    async message(text, alert, action) {
        if (text === undefined) {
            this._notice.clear();
            return;
        }
        if (alert) {
            this._port.post({ type: 'error', what: text, hint: '' });
        }
        await this._notice.say(text, action || 'OK');
    }

    exception() {}

    async save(name, extension, path) {
        return `${path}.${extension}`;
    }

    /** @param {string} file @param {Blob} blob */
    async export(file, blob) {
        const bytes = new Uint8Array(await blob.arrayBuffer());
        this._port.post({ type: 'save', name: file, bytes, mime: blob.type }, [bytes.buffer]);
    }
}

function platform({ navigator }) {
    return /Mac/.test(navigator.platform) ? 'darwin' : undefined;
}

function agent({ navigator }) {
    return /Safari/.test(navigator.userAgent) && !/Chrom/.test(navigator.userAgent) ? 'safari' : '';
}
