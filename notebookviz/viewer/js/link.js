/** The page: one iframe without any rights but scripts, and the one port through which it is spoken to. */

import { element } from './dom.js';

export class PageLink {

    /**
     * @param {string} page The document.
     * @param {string} title For screen readers.
     * @param {() => void} onhello The page may be spoken to; what it is told before Netron has started waits.
     * @param {(message: object) => void} onmessage
     */
    constructor(page, title, onhello, onmessage) {
        this._nonce = page.match(/data-nonce="([\w-]+)"/)?.[1] ?? '';
        this._onhello = onhello;
        this._onmessage = onmessage;
        this._port = null;
        this.frame = element('iframe', { class: 'netron', title, sandbox: 'allow-scripts', srcdoc: page });
        this._hello = (event) => this._greet(event);
        window.addEventListener('message', this._hello);
    }

    /** @returns {boolean} Whether the page can be spoken to. */
    get open() {
        return this._port !== null;
    }

    /** @param {object} message @param {Transferable[]} [transfer] */
    post(message, transfer = []) {
        this._port?.postMessage(message, transfer);
    }

    close() {
        window.removeEventListener('message', this._hello);
        this._port?.close();
        this.frame.remove();
    }

    /** The page says hello again whenever the browser has loaded it anew, for instance after its cell was moved. */
    _greet(event) {
        const data = event.data;
        if (event.source !== this.frame.contentWindow || !event.source || data?.notebookviz !== 'hello' || data.nonce !== this._nonce || !event.ports[0]) {
            return;
        }
        this._port?.close();
        [this._port] = event.ports;
        this._port.onmessage = (message) => this._onmessage(message.data);
        this._onhello();
    }
}
