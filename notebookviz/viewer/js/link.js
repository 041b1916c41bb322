/** The page: one iframe without any rights but scripts, and the one port through which it is spoken to. */

import { element } from './dom.js';

export class PageLink {

    /**
     * @param {string} page The document.
     * @param {string} title For screen readers.
     * @param {(message: object) => void} onmessage
     */
    constructor(page, title, onmessage) {
        this._nonce = page.match(/data-nonce="([\w-]+)"/)?.[1] ?? '';
        this._onmessage = onmessage;
        this._port = null;
        this.frame = element('iframe', { class: 'netron', title, sandbox: 'allow-scripts', srcdoc: page });
        this._hello = (event) => this._greet(event);
        window.addEventListener('message', this._hello);
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
        if (event.source !== this.frame.contentWindow || !event.source || data?.notebookviz !== 'hello' || data.nonce !== this._nonce) {
            return;
        }
        this._port?.close();
        const channel = new MessageChannel();
        this._port = channel.port1;
        this._port.onmessage = (message) => this._onmessage(message.data);
        event.source.postMessage({ notebookviz: 'port', nonce: this._nonce }, '*', [channel.port2]);
    }
}
