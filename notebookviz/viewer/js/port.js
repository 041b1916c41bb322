/**
 * The page's only way out: one MessagePort to the panel.
 */

/** A request that the panel or Python answered with an error; its message is one sentence or two for people. */
export class RequestError extends Error {

    /** @param {{what: string, hint?: string}} error */
    constructor(error) {
        super([error.what, error.hint].filter(Boolean).join(' '));
        this.name = 'RequestError';
        this.what = error.what;
        this.hint = error.hint || '';
    }
}

export class Port {

    /**
     * @param {MessagePort} port
     * @param {(message: {type: string}) => void} receive Gets every message that is not an answer.
     */
    constructor(port, receive) {
        this._port = port;
        this._next = 1;
        this._waiting = new Map();
        port.onmessage = ({ data }) => {
            if (data.type === 'reply') {
                this._answer(data);
            } else {
                receive(data);
            }
        };
    }

    /** @param {object} message @param {Transferable[]} [transfer] */
    post(message, transfer = []) {
        this._port.postMessage(message, transfer);
    }

    /**
     * @param {string} method
     * @param {object} params
     * @returns {Promise<{result: any, buffers: ArrayBuffer[]}>}
     */
    request(method, params) {
        const id = this._next++;
        return new Promise((resolve, reject) => {
            this._waiting.set(id, { resolve, reject });
            this.post({ type: 'request', id, method, params });
        });
    }

    _answer({ id, result, error, buffers }) {
        const waiting = this._waiting.get(id);
        this._waiting.delete(id);
        if (waiting && error) {
            waiting.reject(new RequestError(error));
        } else if (waiting) {
            waiting.resolve({ result, buffers: buffers || [] });
        }
    }
}

/**
 * Says hello to the panel and gives it the other end of a port; what the panel says there waits until it is listened to.
 * @param {Window} window
 * @param {string} nonce
 * @returns {MessagePort}
 */
export function sayHello(window, nonce) {
    const { port1, port2 } = new MessageChannel();
    window.parent.postMessage({ notebookviz: 'hello', nonce }, '*', [port2]);
    return port1;
}

/**
 * The bytes of one buffer of an answer, whatever kind of view the transport gave.
 * @param {ArrayBuffer|ArrayBufferView} buffer
 * @returns {Uint8Array}
 */
export function bytesOf(buffer) {
    return ArrayBuffer.isView(buffer) ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer);
}
