/** The page: one iframe without any rights but scripts, and the one port through which it is spoken to. */

import { element } from './dom.js';

// The same for all pages of this document: what the browser has compiled for one serves the next.
const NONCE = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

export class PageLink {

    /** @param {string} page The document. @param {string} [nonce] Of the document around it, whose policy holds for the page too. */
    constructor(page, nonce = NONCE) {
        this._nonce = nonce;
        this._port = null;
        this._ears = null;
        this._begin = null;
        /** What the page was told to draw before there was a panel. @type {object|null} */
        this.begun = null;
        this.frame = element('iframe', { class: 'netron', sandbox: 'allow-scripts', srcdoc: page.replaceAll('notebookviz-nonce', nonce) });
        this._hello = (event) => this._greet(event);
        window.addEventListener('message', this._hello);
    }

    /**
     * @param {string} title For screen readers.
     * @param {() => void} onhello The page may be spoken to; what it is told before Netron has started waits.
     * @param {(message: object) => void} onmessage
     */
    listen(title, onhello, onmessage) {
        this.frame.title = title;
        this._ears = { onhello, onmessage };
        if (this._port) {
            this._attend();
        }
    }

    /** Let the page draw before there is a panel; it is told once it may be spoken to. @param {object} message */
    begin(message) {
        this._begin = message;
        if (this._port) {
            this._start();
        }
    }

    startUnseen() {
        this.frame.style.cssText = 'position: fixed; top: 0; left: 0; width: 0; height: 0; border: 0; visibility: hidden;';
        document.body.append(this.frame);
    }

    /**
     * Put the page into its place; one that runs already goes on running where the browser can move it so, any other starts when it is seen.
     * @param {HTMLElement} holder
     */
    place(holder) {
        if (this.frame.isConnected && !holder.isConnected) {
            new ResizeObserver((_, observer) => {
                if (holder.isConnected) {
                    observer.disconnect();
                    this.place(holder);
                }
            }).observe(holder);
            return;
        }
        if (!this.frame.isConnected) {
            this._seen = new IntersectionObserver((entries) => {
                if (entries.some(({ isIntersecting }) => isIntersecting)) {
                    this._seen.disconnect();
                    holder.append(this.frame);
                }
            });
            this._seen.observe(holder);
            return;
        }
        if (holder.moveBefore) {
            holder.moveBefore(this.frame, null);
        } else {
            holder.append(this.frame);
        }
        this.frame.removeAttribute('style');
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
        this._seen?.disconnect();
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
        this.begun = null;
        if (this._begin) {
            this._start();
        }
        if (this._ears) {
            this._attend();
        }
    }

    _start() {
        [this.begun, this._begin] = [this._begin, null];
        this.post(this.begun);
    }

    _attend() {
        this._port.onmessage = (message) => this._ears.onmessage(message.data);
        this._ears.onhello();
    }
}
